-- The trials of one case in the last runs that match the filters, the newest first.
WITH recent AS (
  SELECT r.run_id, r.created, r.commit_id, x.place
  FROM results x
  JOIN runs r ON r.run_id = x.run_id
  WHERE x.suite = :suite
    AND x.case_id = :case_id
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
  GROUP BY r.run_id, r.created, r.commit_id, x.place
  ORDER BY r.created DESC, r.run_id DESC
  LIMIT :last_runs
)
SELECT
  recent.run_id, recent.created, recent.commit_id, recent.place,
  x.trial, x.outcome, x.passed, x.latency_s, x.cost_usd, x.error, x.input, x.output,
  c.fingerprint, c.file, c.line
FROM recent
CROSS JOIN results x -- SQLite keeps this order: it would read all results of the suite first
JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE x.run_id = recent.run_id AND x.suite = :suite AND x.place = recent.place
ORDER BY recent.created DESC, recent.run_id DESC, x.trial
