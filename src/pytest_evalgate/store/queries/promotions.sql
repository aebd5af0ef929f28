-- The promotions of a suite, oldest first.
SELECT promoted, run_id, author, reason, old_run_id, old_sha256, new_sha256, worse
FROM promotions
WHERE project = :project AND suite = :suite
ORDER BY promoted
