-- The runs that lack results of planned cases, or whose results lack their case: none in a sound store.
SELECT s.run_id, s.suite, s.planned, count(DISTINCT x.place) AS stored, count(DISTINCT c.case_sha256) AS cases
FROM suites s
JOIN runs r ON r.run_id = s.run_id
LEFT JOIN results x ON x.run_id = s.run_id AND x.suite = s.suite
LEFT JOIN cases c ON c.case_sha256 = x.case_sha256
WHERE r.source = 'run'
GROUP BY s.run_id, s.suite, s.planned
HAVING count(DISTINCT x.place) <> s.planned OR count(x.place) <> count(c.case_sha256)
ORDER BY s.run_id, s.suite
