-- The tiers of a project, with their number of runs and their newest run.
SELECT tier, count(*) AS runs, max(created) AS newest
FROM runs
WHERE project = :project AND source = 'run'
GROUP BY tier
ORDER BY tier
