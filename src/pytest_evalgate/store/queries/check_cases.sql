-- The cases after a key, in the order of their keys, each of which is a digest of the rest of its row.
SELECT case_sha256, suite, case_id, file, line, fingerprint, planned
FROM cases
WHERE case_sha256 > :after
ORDER BY case_sha256
LIMIT :limit
