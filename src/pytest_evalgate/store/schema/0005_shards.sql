-- Shard files on their way to `pytest-evalgate merge`. They have the texts of the run, whatever `store_texts` says;
-- `pytest-evalgate store prune` removes them.
CREATE TABLE shard_files (
  project TEXT NOT NULL,
  shards TEXT NOT NULL,      -- the RUN of store://RUN
  file TEXT NOT NULL,        -- such as 1-of-4.jsonl
  stored TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (project, shards, file)
);
CREATE TABLE shard_pieces (
  project TEXT NOT NULL,
  shards TEXT NOT NULL,
  file TEXT NOT NULL,
  place INTEGER NOT NULL,    -- from 0
  content BYTEA NOT NULL,    -- 4 MiB of the file, compressed by zlib; SQLite takes any name of a type
  PRIMARY KEY (project, shards, file, place)
);
