-- The slices of a suite in the last runs that match the filters.
WITH recent AS (
  SELECT r.run_id, r.created, r.commit_id
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
SELECT
  recent.run_id, recent.created, recent.commit_id,
  l.slice_by, l.slice_value, l.n, l.passed, l.pass_rate, l.lower_bound, l.upper_bound
FROM recent
JOIN slices l ON l.run_id = recent.run_id AND l.suite = :suite
ORDER BY recent.created, recent.run_id, l.slice_by, l.slice_value
