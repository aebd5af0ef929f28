-- The outcomes of the cases of a suite in its newest runs that match the filters, at most 240: one row a case, one bit
-- a run. Bit 0 of passed_1 is the newest run, bit 59 the 60th; passed_2 continues. known_1 has the runs with an outcome.
WITH recent AS (
  SELECT r.run_id, row_number() OVER (ORDER BY r.created DESC, r.run_id DESC) - 1 AS age
  FROM runs r
  JOIN suites s ON s.run_id = r.run_id
  JOIN metrics m ON m.run_id = r.run_id AND m.suite = s.suite
  WHERE s.suite = :suite
    AND s.verdict NOT IN ('incomplete', 'not_evaluated', 'invalid')
    AND m.metric = :metric
    AND m.value IS NOT NULL
    AND r.project = :project
    AND (CAST(:run_id AS TEXT) IS NULL OR r.run_id = :run_id)
    AND (CAST(:tier AS TEXT) IS NULL OR r.tier = :tier)
    AND (CAST(:branch AS TEXT) IS NULL OR r.branch = :branch)
    AND (CAST(:since AS TEXT) IS NULL OR r.created >= :since)
    AND (CAST(:until AS TEXT) IS NULL OR r.created < :until)
    AND (
      CAST(:label_1 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_1)
    )
    AND (
      CAST(:label_2 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_2)
    )
    AND (
      CAST(:label_3 AS TEXT) IS NULL
      OR EXISTS (SELECT 1 FROM labels l WHERE l.run_id = r.run_id AND l.label = :label_3)
    )
    AND (CAST(:model AS TEXT) IS NULL OR s.model = :model)
  ORDER BY r.created DESC, r.run_id DESC
  LIMIT :limit
),
places AS (
  SELECT run_id, age / 60 AS word, CAST(1 AS BIGINT) << CAST(age % 60 AS INTEGER) AS bit
  FROM recent
  WHERE age < 240
),
masks AS (
  SELECT
    x.case_sha256,
    CAST(sum(CASE WHEN p.word = 0 AND x.outcome = 'passed' THEN p.bit ELSE 0 END) AS BIGINT) AS passed_1,
    CAST(sum(CASE WHEN p.word = 1 AND x.outcome = 'passed' THEN p.bit ELSE 0 END) AS BIGINT) AS passed_2,
    CAST(sum(CASE WHEN p.word = 2 AND x.outcome = 'passed' THEN p.bit ELSE 0 END) AS BIGINT) AS passed_3,
    CAST(sum(CASE WHEN p.word = 3 AND x.outcome = 'passed' THEN p.bit ELSE 0 END) AS BIGINT) AS passed_4,
    CAST(sum(CASE WHEN p.word = 0 THEN p.bit ELSE 0 END) AS BIGINT) AS known_1,
    CAST(sum(CASE WHEN p.word = 1 THEN p.bit ELSE 0 END) AS BIGINT) AS known_2,
    CAST(sum(CASE WHEN p.word = 2 THEN p.bit ELSE 0 END) AS BIGINT) AS known_3,
    CAST(sum(CASE WHEN p.word = 3 THEN p.bit ELSE 0 END) AS BIGINT) AS known_4
  FROM places p
  JOIN results x ON x.run_id = p.run_id AND x.suite = :suite
  WHERE x.trial = 1 AND x.outcome IN ('passed', 'missed')
  GROUP BY x.case_sha256
)
SELECT c.case_id, c.fingerprint, k.*
FROM masks k
JOIN cases c ON c.case_sha256 = k.case_sha256
ORDER BY c.case_id, c.fingerprint, k.case_sha256
