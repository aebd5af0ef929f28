-- The scores of one case in one run.
SELECT trial, scorer, value, passed, counts, reason
FROM scores
WHERE run_id = :run_id AND suite = :suite AND place = :place
ORDER BY trial, scorer
