-- One case over the runs that match the filters, the newest first.
SELECT
  r.run_id, r.created, r.commit_id, x.outcome, c.fingerprint,
  count(x.passed) AS trials, avg(x.passed) AS passed, avg(x.latency_s) AS latency_s, min(x.error) AS error
FROM results x
JOIN runs r ON r.run_id = x.run_id
JOIN cases c ON c.case_sha256 = x.case_sha256
JOIN suites s ON s.run_id = x.run_id AND s.suite = x.suite
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
  AND (CAST(:model AS TEXT) IS NULL OR s.model = :model)
  AND (
    CAST(:after AS TEXT) IS NULL
    OR r.created < (SELECT a.created FROM runs a WHERE a.run_id = :after)
    OR (r.created = (SELECT a.created FROM runs a WHERE a.run_id = :after) AND r.run_id < :after)
  )
GROUP BY r.run_id, r.created, r.commit_id, x.outcome, c.fingerprint
ORDER BY r.created DESC, r.run_id DESC
LIMIT :limit
