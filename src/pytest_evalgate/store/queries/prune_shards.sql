-- Delete the shard files of a project that were stored before a time.
DELETE FROM shard_pieces
WHERE project = :project AND EXISTS (
  SELECT 1 FROM shard_files f
  WHERE f.project = shard_pieces.project AND f.shards = shard_pieces.shards AND f.file = shard_pieces.file
    AND f.stored < :before
);
DELETE FROM shard_files WHERE project = :project AND stored < :before;
