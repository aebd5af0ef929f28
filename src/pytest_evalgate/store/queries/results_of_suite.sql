-- The trials of a suite in one run, with their cases as planned, in the order of the plan.
SELECT
  x.place, x.trial, x.case_id, x.outcome, x.passed, x.latency_s, x.error,
  c.file, c.line, c.fingerprint, c.planned
FROM results x
JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE x.run_id = :run_id AND x.suite = :suite
ORDER BY x.place, x.trial
