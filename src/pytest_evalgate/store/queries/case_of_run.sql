-- The trials of one case in one run.
SELECT
  x.run_id, r.created, r.commit_id, x.place,
  x.trial, x.outcome, x.passed, x.latency_s, x.cost_usd, x.error, x.input, x.output,
  c.fingerprint, c.file, c.line
FROM results x
JOIN runs r ON r.run_id = x.run_id
JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE x.suite = :suite AND x.case_id = :case_id AND x.run_id = :run_id AND r.project = :project
ORDER BY x.trial
