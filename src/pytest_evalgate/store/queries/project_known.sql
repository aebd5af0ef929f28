-- One run of a project, if there is any.
SELECT run_id
FROM runs
WHERE project = :project
LIMIT 1
