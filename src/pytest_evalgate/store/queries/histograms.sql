-- The histograms of a scorer in the runs that match the filters, at most :limit runs, the newest first.
WITH recent AS (
  SELECT r.run_id, r.created
  FROM runs r
  JOIN suites s ON s.run_id = r.run_id
  JOIN metrics m ON m.run_id = r.run_id AND m.suite = s.suite
  WHERE s.suite = :suite
    AND s.verdict NOT IN ('incomplete', 'not_evaluated', 'invalid')
    AND m.metric = :metric
    AND m.value IS NOT NULL
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
  LIMIT :limit
)
SELECT recent.run_id, h.bin, h.n
FROM recent
JOIN histograms h ON h.run_id = recent.run_id AND h.suite = :suite AND h.scorer = :scorer
ORDER BY recent.created DESC, recent.run_id DESC, h.bin
