-- The cases of a suite in one run, the worst first: by passed trials, then by mean score. Then their scores.
WITH chosen AS (
  SELECT
    x.run_id, x.suite, x.place, x.case_id, x.outcome,
    count(x.passed) AS trials, avg(x.passed) AS passed, avg(x.latency_s) AS latency_s, sum(x.cost_usd) AS cost_usd,
    sum(x.attempts) AS attempts, min(x.error) AS error, min(x.input) AS input, min(x.output) AS output,
    (
      SELECT avg(s.value)
      FROM scores s
      WHERE s.run_id = x.run_id AND s.suite = x.suite AND s.place = x.place
    ) AS mean_score
  FROM results x
  WHERE x.run_id = :run_id
    AND x.suite = :suite
    AND (CAST(:outcome AS TEXT) IS NULL OR x.outcome = :outcome)
    AND (CAST(:case_id AS TEXT) IS NULL OR x.case_id = :case_id)
  GROUP BY x.run_id, x.suite, x.place, x.case_id, x.outcome
),
ranked AS (
  SELECT
    chosen.*,
    row_number() OVER (
      ORDER BY CASE WHEN passed IS NULL THEN 1 ELSE 0 END, passed,
      CASE WHEN mean_score IS NULL THEN 1 ELSE 0 END, mean_score, place
    ) AS rank
  FROM chosen
)
SELECT
  k.rank, k.place, k.case_id, k.outcome, k.trials, k.passed, k.latency_s, k.cost_usd, k.attempts, k.error,
  k.input, k.output,
  c.file, c.line,
  s.trial, s.scorer, s.value, s.passed AS score_passed, s.reason
FROM ranked k
JOIN results x ON x.run_id = k.run_id AND x.suite = k.suite AND x.place = k.place
JOIN cases c ON c.case_sha256 = x.case_sha256
LEFT JOIN scores s ON s.run_id = x.run_id AND s.suite = x.suite AND s.place = x.place AND s.trial = x.trial
WHERE k.rank > :skip AND k.rank <= :skip + :limit
ORDER BY k.rank, x.trial, s.scorer
