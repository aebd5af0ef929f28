-- The outcomes of a suite in a run as two texts, which a trend reads instead of the results. Runs that were stored
-- before have none until `pytest-evalgate store check` adds them; their results are read.
CREATE TABLE outcomes (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  case_keys TEXT NOT NULL,   -- 12 characters a case, in the order of the plan: a digest of its id and fingerprint
  marks TEXT NOT NULL,       -- a character a case: 1 passed, 0 missed, - neither
  PRIMARY KEY (run_id, suite)
);
