-- The labels of the runs of a project that started in a span of time, both ends included.
SELECT l.run_id, l.label
FROM runs r
JOIN labels l ON l.run_id = r.run_id
WHERE r.project = :project AND r.created >= :first AND r.created <= :last
ORDER BY l.run_id, l.label
