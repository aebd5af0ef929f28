-- The number of rows of the store.
SELECT
  (SELECT count(*) FROM runs) AS runs,
  (SELECT count(*) FROM suites) AS suites,
  (SELECT count(*) FROM results) AS results,
  (SELECT count(*) FROM scores) AS scores,
  (SELECT count(*) FROM promotions) AS promotions
