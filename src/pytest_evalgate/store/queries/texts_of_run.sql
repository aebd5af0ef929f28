-- The outcomes of a suite in a run, as texts.
SELECT case_keys, marks
FROM outcomes
WHERE run_id = :run_id AND suite = :suite
