-- The cases of a suite that missed or have no output in one run, in the order of the plan.
SELECT case_id, outcome, count(passed) AS trials, sum(passed) AS passes, min(error) AS error
FROM results
WHERE run_id = :run_id AND suite = :suite AND outcome IN ('missed', 'errored')
GROUP BY place, case_id, outcome
ORDER BY place
LIMIT :limit
