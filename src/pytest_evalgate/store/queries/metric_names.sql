-- The names of the metrics that runs of a suite have.
SELECT DISTINCT m.metric
FROM metrics m
JOIN runs r ON r.run_id = m.run_id
WHERE m.suite = :suite AND r.project = :project
ORDER BY m.metric
