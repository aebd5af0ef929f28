-- The suites of runs that have results or outcomes; those without outcomes were stored by an older version.
SELECT run_id, suite, max(present) AS present
FROM (
  SELECT run_id, suite, 0 AS present FROM results
  UNION ALL
  SELECT run_id, suite, 1 FROM outcomes
) t
GROUP BY run_id, suite
ORDER BY run_id, suite
