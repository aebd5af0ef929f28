-- The distribution of each scorer in a run: 20 bins of equal width over [0, 1], the last one closed. Empty bins have
-- no row. Runs that were stored before have none.
CREATE TABLE histograms (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  scorer TEXT NOT NULL,
  bin INTEGER NOT NULL,      -- from 0
  n INTEGER NOT NULL,        -- the scores in it
  PRIMARY KEY (run_id, suite, scorer, bin)
);

-- The golden set of a suite, or its sample: only runs of the same cases have a common trend.
ALTER TABLE suites ADD COLUMN plan_sha256 TEXT;
