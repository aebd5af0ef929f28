-- The trials of one case in one run. Its place is read from the index of cases, and its trials by their key.
WITH found AS (
  SELECT DISTINCT run_id, place
  FROM results
  WHERE suite = :suite AND case_id = :case_id AND run_id = :run_id
)
SELECT
  found.run_id, r.created, r.commit_id, found.place,
  x.trial, x.outcome, x.passed, x.latency_s, x.cost_usd, x.error, x.input, x.output,
  c.fingerprint, c.file, c.line
FROM found
JOIN runs r ON r.run_id = found.run_id
JOIN results x ON x.run_id = found.run_id AND x.suite = :suite AND x.place = found.place
JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE r.project = :project
ORDER BY x.trial
