-- The suites of a run, with their owners.
SELECT s.*, e.owner, e.description
FROM suites s
JOIN runs r ON r.run_id = s.run_id
LEFT JOIN evals e ON e.project = r.project AND e.suite = s.suite
WHERE s.run_id = :run_id
ORDER BY s.suite
