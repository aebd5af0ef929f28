-- Delete a shard file, by way of an insert: an account that cannot write is found before anything is spent.
INSERT INTO shard_files (project, shards, file, stored, bytes, sha256)
VALUES (:project, :shards, :file, :stored, 0, '')
ON CONFLICT DO NOTHING;
DELETE FROM shard_pieces WHERE project = :project AND shards = :shards AND file = :file;
DELETE FROM shard_files WHERE project = :project AND shards = :shards AND file = :file;
