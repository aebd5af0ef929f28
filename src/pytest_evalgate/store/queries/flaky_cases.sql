-- The cases of a suite that both passed and missed, unchanged, in the last runs, the least certain first.
WITH recent AS (
  SELECT r.run_id
  FROM runs r
  JOIN suites s ON s.run_id = r.run_id
  WHERE s.suite = :suite
    AND r.source = 'run'
    AND r.project = :project
    AND (CAST(:run_id AS TEXT) IS NULL OR r.run_id = :run_id)
    AND (CAST(:tier AS TEXT) IS NULL OR r.tier = :tier)
    AND (CAST(:branch AS TEXT) IS NULL OR r.branch = :branch)
    AND (CAST(:since AS TEXT) IS NULL OR r.created >= :since)
    AND (CAST(:until AS TEXT) IS NULL OR r.created < :until)
    AND (
      CAST(:label_1 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_1)
    )
    AND (
      CAST(:label_2 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_2)
    )
    AND (
      CAST(:label_3 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_3)
    )
    AND (CAST(:model AS TEXT) IS NULL OR s.model = :model)
  ORDER BY r.created DESC, r.run_id DESC
  LIMIT :last_runs
)
SELECT x.case_id, count(x.passed) AS trials, sum(x.passed) AS passes, count(DISTINCT x.run_id) AS runs
FROM recent
JOIN results x ON x.run_id = recent.run_id AND x.suite = :suite
WHERE x.passed IS NOT NULL
GROUP BY x.case_id, x.case_sha256
HAVING min(x.passed) < max(x.passed)
ORDER BY abs(2 * sum(x.passed) / count(x.passed) - 1), x.case_id
LIMIT :limit
