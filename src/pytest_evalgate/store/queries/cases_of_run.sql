-- The trials of up to 40 cases of a suite in one run. Their places are read from the index of cases, and their trials
-- by their key. SQLite keeps the order of a CROSS JOIN: it would read all results of the run first.
WITH asked (case_id) AS (
  VALUES
    (CAST(:case_1 AS TEXT)), (:case_2), (:case_3), (:case_4), (:case_5), (:case_6), (:case_7), (:case_8),
    (:case_9), (:case_10), (:case_11), (:case_12), (:case_13), (:case_14), (:case_15), (:case_16),
    (:case_17), (:case_18), (:case_19), (:case_20), (:case_21), (:case_22), (:case_23), (:case_24),
    (:case_25), (:case_26), (:case_27), (:case_28), (:case_29), (:case_30), (:case_31), (:case_32),
    (:case_33), (:case_34), (:case_35), (:case_36), (:case_37), (:case_38), (:case_39), (:case_40)
),
found AS (
  SELECT DISTINCT y.place
  FROM asked
  CROSS JOIN results y
  WHERE y.suite = :suite AND y.case_id = asked.case_id AND y.run_id = :run_id
)
SELECT
  x.case_id, x.place, x.trial, x.outcome, x.passed, x.latency_s, x.cost_usd, x.error, x.input, x.output
FROM found
CROSS JOIN results x
JOIN runs r ON r.run_id = x.run_id
WHERE r.project = :project AND x.run_id = :run_id AND x.suite = :suite AND x.place = found.place
ORDER BY x.place, x.trial
