-- The rows whose run, suite, result or case is missing: none in a sound store.
SELECT 'contents' AS table_name, 'runs' AS parent, t.run_id, count(*) AS lost
FROM contents t
LEFT JOIN runs r ON r.run_id = t.run_id
WHERE r.run_id IS NULL
GROUP BY t.run_id
UNION ALL
SELECT 'runs', 'contents', r.run_id, count(*)
FROM runs r
LEFT JOIN contents t ON t.run_id = r.run_id
WHERE t.run_id IS NULL
GROUP BY r.run_id
UNION ALL
SELECT 'suites', 'evals', s.run_id, count(*)
FROM suites s
JOIN runs r ON r.run_id = s.run_id
LEFT JOIN evals e ON e.project = r.project AND e.suite = s.suite
WHERE e.suite IS NULL
GROUP BY s.run_id
UNION ALL
SELECT 'results', 'cases', x.run_id, count(*)
FROM results x
LEFT JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE c.case_sha256 IS NULL
GROUP BY x.run_id
UNION ALL
SELECT 'scores', 'results', s.run_id, count(*)
FROM scores s
LEFT JOIN results x ON x.run_id = s.run_id AND x.suite = s.suite AND x.place = s.place AND x.trial = s.trial
WHERE x.run_id IS NULL
GROUP BY s.run_id
ORDER BY 3, 1, 2
