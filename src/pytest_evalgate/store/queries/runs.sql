-- The runs that match the filters, the newest first. A filter that is NULL matches every run.
SELECT
  r.run_id,
  r.project,
  r.created,
  r.duration_s,
  r.commit_id,
  r.branch,
  r.tier,
  r.verdict,
  r.exit_code,
  r.config_sha256,
  r.cost_usd,
  r.unknown_price,
  r.tokens_in,
  r.tokens_out,
  r.calls_sent,
  r.calls_cached,
  r.calls_retried,
  r.facts,
  r.problems,
  r.source
FROM runs r
WHERE r.project = :project
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
  AND (
    CAST(:suite AS TEXT) IS NULL
    OR EXISTS (SELECT 1 FROM suites s WHERE s.run_id = r.run_id AND s.suite = :suite)
  )
  AND (
    CAST(:model AS TEXT) IS NULL
    OR EXISTS (SELECT 1 FROM suites s WHERE s.run_id = r.run_id AND s.model = :model)
  )
  AND (
    CAST(:after AS TEXT) IS NULL
    OR r.created < (SELECT a.created FROM runs a WHERE a.run_id = :after)
    OR (r.created = (SELECT a.created FROM runs a WHERE a.run_id = :after) AND r.run_id < :after)
  )
ORDER BY r.created DESC, r.run_id DESC
LIMIT :limit
