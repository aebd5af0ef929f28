-- Insert a shard file without its pieces, or replace it. A second writer of the same file waits here for the first.
INSERT INTO shard_files (project, shards, file, stored, bytes, sha256)
VALUES (:project, :shards, :file, :stored, :bytes, :sha256)
ON CONFLICT (project, shards, file)
DO UPDATE SET stored = excluded.stored, bytes = excluded.bytes, sha256 = excluded.sha256;
DELETE FROM shard_pieces WHERE project = :project AND shards = :shards AND file = :file;
