-- The judges of a run.
SELECT suite, judge, fingerprint, calibrated, scored, unreadable, pass_rate, tpr, tnr, labelled
FROM judges
WHERE run_id = :run_id
ORDER BY suite, judge
