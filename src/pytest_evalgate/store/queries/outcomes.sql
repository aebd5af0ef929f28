-- The outcomes of the cases of a suite in the runs of a trend, the newest first; NULL for runs without the texts.
SELECT r.run_id, o.case_keys, o.marks
FROM runs r
JOIN suites s ON s.run_id = r.run_id
JOIN metrics m ON m.run_id = r.run_id AND m.suite = s.suite
LEFT JOIN outcomes o ON o.run_id = r.run_id AND o.suite = s.suite
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
