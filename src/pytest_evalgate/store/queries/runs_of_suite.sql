-- The newest runs of a suite that match the filters, with its verdict in each.
SELECT
  r.run_id, r.created, r.commit_id, r.branch, r.tier, r.cost_usd, r.duration_s,
  s.verdict, s.pass_rate, s.cases, s.model, s.delta, s.finding
FROM suites s
JOIN runs r ON r.run_id = s.run_id
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
LIMIT :limit
