-- The shard files of a run.
SELECT file, bytes, sha256
FROM shard_files
WHERE project = :project AND shards = :shards
ORDER BY file
