-- The values of one metric of a suite over the runs that match the filters, the newest first.
SELECT
  r.run_id, r.created, r.commit_id, r.branch, r.tier, r.source, r.config_sha256,
  s.verdict, s.model, s.target, s.golden_sha256, s.scorers_sha256, s.baseline_run_id, s.discordance,
  s.cases, s.trials, s.stopped,
  m.value, m.lower_bound, m.upper_bound, m.n
FROM metrics m
JOIN runs r ON r.run_id = m.run_id
JOIN suites s ON s.run_id = m.run_id AND s.suite = m.suite
WHERE m.suite = :suite
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
  AND (
    CAST(:after AS TEXT) IS NULL
    OR r.created < (SELECT a.created FROM runs a WHERE a.run_id = :after)
    OR (r.created = (SELECT a.created FROM runs a WHERE a.run_id = :after) AND r.run_id < :after)
  )
ORDER BY r.created DESC, r.run_id DESC
LIMIT :limit
