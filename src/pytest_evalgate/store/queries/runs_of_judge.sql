-- The newest runs in which a judge graded, with their suites.
SELECT r.run_id, r.created, j.suite, j.fingerprint
FROM judges j
JOIN runs r ON r.run_id = j.run_id
WHERE j.judge = :judge
  AND j.scored > 0
  AND r.project = :project
ORDER BY r.created DESC, r.run_id DESC, j.suite
LIMIT :limit
