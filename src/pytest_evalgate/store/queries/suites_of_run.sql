-- The suites of a run.
SELECT *
FROM suites
WHERE run_id = :run_id
ORDER BY suite
