-- The suites of a project, with their owners.
SELECT suite, owner, description
FROM evals
WHERE project = :project
ORDER BY suite
