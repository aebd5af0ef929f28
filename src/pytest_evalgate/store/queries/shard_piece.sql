-- One piece of a shard file.
SELECT content
FROM shard_pieces
WHERE project = :project AND shards = :shards AND file = :file AND place = :place
