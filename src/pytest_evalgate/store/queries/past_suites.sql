-- The complete, decided suites of a project, the newest :last_runs of each suite, oldest first. Stopped suites included.
WITH numbered AS (
  SELECT
    r.run_id, r.created, r.commit_id, s.suite, s.verdict, s.cases, s.trials, s.passed, s.missed, s.pass_rate,
    s.discordance, s.golden_sha256, s.plan_sha256, s.scorers_sha256, s.baseline_run_id, s.stopped,
    row_number() OVER (PARTITION BY s.suite ORDER BY r.created DESC, r.run_id DESC) AS age
  FROM runs r
  JOIN suites s ON s.run_id = r.run_id
  WHERE r.project = :project
    AND r.problems = '[]'
    AND s.verdict IN ('pass', 'fail', 'inconclusive')
    AND s.errored = 0
    AND (s.not_run = 0 OR s.stopped IS NOT NULL)
    AND (s.pass_rate IS NOT NULL OR (s.stopped IS NOT NULL AND s.passed + s.missed > 0))
)
SELECT *
FROM numbered
WHERE age <= :last_runs
ORDER BY created, run_id, suite
