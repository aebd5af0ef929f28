-- The suites of a project.
SELECT suite
FROM evals
WHERE project = :project
ORDER BY suite
