-- The labels of a run.
SELECT label
FROM labels
WHERE run_id = :run_id
ORDER BY label
