-- The cases of a suite in a run with their outcomes, in the order of the plan. Trial 0: the case has no trial.
SELECT x.place, c.case_id, c.fingerprint, x.trial, x.outcome
FROM results x
JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE x.run_id = :run_id AND x.suite = :suite AND x.trial <= 1
ORDER BY x.place
