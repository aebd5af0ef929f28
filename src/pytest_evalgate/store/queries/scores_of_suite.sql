-- The scores of a suite in one run.
SELECT place, trial, scorer, value, passed, counts
FROM scores
WHERE run_id = :run_id AND suite = :suite
ORDER BY place, trial, scorer
