-- The run that has an id.
SELECT project, created, source
FROM runs
WHERE run_id = :run_id
