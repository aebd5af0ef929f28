-- The suites of runs whose counted outcomes are not those of their results: none in a sound store.
WITH places AS (
  SELECT run_id, suite, place, min(outcome) AS outcome
  FROM results
  GROUP BY run_id, suite, place
),
counted AS (
  SELECT
    run_id, suite, count(*) AS planned,
    sum(CASE WHEN outcome = 'passed' THEN 1 ELSE 0 END) AS passed,
    sum(CASE WHEN outcome = 'missed' THEN 1 ELSE 0 END) AS missed,
    sum(CASE WHEN outcome = 'errored' THEN 1 ELSE 0 END) AS errored,
    sum(CASE WHEN outcome = 'skipped' THEN 1 ELSE 0 END) AS skipped
  FROM places
  GROUP BY run_id, suite
)
SELECT
  s.run_id, s.suite, s.planned, s.passed, coalesce(k.planned, 0) AS found, coalesce(k.passed, 0) AS found_passed
FROM suites s
JOIN runs r ON r.run_id = s.run_id
LEFT JOIN counted k ON k.run_id = s.run_id AND k.suite = s.suite
WHERE r.source = 'run'
  AND (
    coalesce(k.planned, 0) <> s.planned
    OR coalesce(k.passed, 0) <> s.passed
    OR coalesce(k.missed, 0) <> s.missed
    OR coalesce(k.errored, 0) <> s.errored
    OR coalesce(k.skipped, 0) <> s.skipped
  )
ORDER BY s.run_id, s.suite
