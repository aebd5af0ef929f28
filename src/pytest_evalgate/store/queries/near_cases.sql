-- The ids of the cases of a suite before and after an id, in their order.
SELECT
  (
    SELECT max(x.case_id)
    FROM results x
    JOIN runs r ON r.run_id = x.run_id
    WHERE x.suite = :suite AND x.case_id < :case_id AND r.project = :project
  ) AS before,
  (
    SELECT min(x.case_id)
    FROM results x
    JOIN runs r ON r.run_id = x.run_id
    WHERE x.suite = :suite AND x.case_id > :case_id AND r.project = :project
  ) AS after
