-- The gates that failed in runs that match the filters, the newest first.
SELECT
  r.run_id, r.created, r.commit_id, r.branch, r.tier,
  g.suite, g.place, g.kind, g.gate_of, g.value, g.bound, g.required, g.p, g.message
FROM runs r
JOIN gates g ON g.run_id = r.run_id
WHERE g.result = 'fail'
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
  AND (CAST(:suite AS TEXT) IS NULL OR g.suite = :suite)
ORDER BY r.created DESC, r.run_id DESC, g.suite, g.place
LIMIT :limit
