-- Pass rate of each suite by week
SELECT s.suite, date_trunc('week', s.day) AS week, count(*) AS runs, avg(s.pass_rate) AS pass_rate
FROM 'warehouse/suites/*/*.parquet' s
GROUP BY ALL
ORDER BY ALL;

-- Verdicts by branch
SELECT branch, verdict, count(*) AS runs, max(created) AS newest
FROM 'warehouse/runs/*/*.parquet'
GROUP BY ALL
ORDER BY runs DESC;

-- Cost of each label, for chargeback
SELECT l.label, date_trunc('month', r.day) AS month, sum(r.cost_usd) AS cost_usd, sum(r.unknown_price) AS unknown_price
FROM 'warehouse/labels/*/*.parquet' l
JOIN 'warehouse/runs/*/*.parquet' r USING (run_id)
GROUP BY ALL
ORDER BY month, cost_usd DESC;

-- Latency of each model by day
SELECT s.model, x.day, quantile_cont(x.latency_s, 0.95) AS p95_s, count(*) AS trials
FROM 'warehouse/results/*/*.parquet' x
JOIN 'warehouse/suites/*/*.parquet' s ON s.run_id = x.run_id AND s.suite = x.suite
WHERE x.latency_s IS NOT NULL
GROUP BY ALL
ORDER BY ALL;

-- Flakiest cases of the last 20 runs
WITH recent AS (
  SELECT run_id
  FROM 'warehouse/runs/*/*.parquet'
  ORDER BY created DESC
  LIMIT 20
)
SELECT suite, case_id, count(*) AS trials, avg(passed) AS passed
FROM 'warehouse/results/*/*.parquet'
JOIN recent USING (run_id)
WHERE passed IS NOT NULL
GROUP BY suite, case_id, fingerprint
HAVING min(passed) < max(passed)
ORDER BY abs(avg(passed) - 0.5), suite, case_id
LIMIT 20;

-- Weakest slices of the newest run
SELECT suite, slice_by, slice_value, n, pass_rate, lower_bound, upper_bound
FROM 'warehouse/slices/*/*.parquet'
WHERE run_id = (SELECT arg_max(run_id, created) FROM 'warehouse/runs/*/*.parquet')
ORDER BY pass_rate, n DESC
LIMIT 20;

-- Gates that fail most often
SELECT suite, kind, gate_of, count(*) AS runs, count(*) FILTER (result = 'fail') AS failed
FROM 'warehouse/gates/*/*.parquet'
GROUP BY ALL
ORDER BY failed DESC, runs DESC;

-- Mean score of each scorer by model
SELECT c.suite, c.scorer, s.model, avg(c.value) AS mean, count(c.value) AS scores
FROM 'warehouse/scores/*/*.parquet' c
JOIN 'warehouse/suites/*/*.parquet' s ON s.run_id = c.run_id AND s.suite = c.suite
GROUP BY ALL
ORDER BY ALL;

-- Cases that passed in the run before the newest and miss in it
WITH numbered AS (
  SELECT run_id, row_number() OVER (ORDER BY created DESC) AS age
  FROM 'warehouse/runs/*/*.parquet'
)
SELECT now.suite, now.case_id, now.error
FROM 'warehouse/results/*/*.parquet' now
JOIN 'warehouse/results/*/*.parquet' before
  ON before.suite = now.suite AND before.case_id = now.case_id AND before.fingerprint = now.fingerprint
WHERE now.run_id = (SELECT run_id FROM numbered WHERE age = 1)
  AND before.run_id = (SELECT run_id FROM numbered WHERE age = 2)
  AND before.outcome = 'passed' AND now.outcome = 'missed'
GROUP BY ALL
ORDER BY ALL;

-- Cost of a passed case by model
SELECT s.suite, s.model, sum(x.cost_usd) / nullif(sum(x.passed), 0) AS usd_per_pass, sum(x.tokens_out) AS tokens_out
FROM 'warehouse/results/*/*.parquet' x
JOIN 'warehouse/suites/*/*.parquet' s ON s.run_id = x.run_id AND s.suite = x.suite
GROUP BY ALL
ORDER BY usd_per_pass;
