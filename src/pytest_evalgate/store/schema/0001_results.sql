-- Results that last: one schema for SQLite and PostgreSQL.
-- Rates and scores are shares in [0, 1]. Times are UTC, ISO 8601. Flags are 0, 1 or NULL (unknown).

CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  created TEXT NOT NULL,
  duration_s DOUBLE PRECISION NOT NULL,
  commit_id TEXT,
  branch TEXT,
  tier TEXT NOT NULL,
  verdict TEXT,              -- NULL: imported from history.jsonl, or the run was not decided
  exit_code INTEGER,
  config_sha256 TEXT,
  cost_usd DOUBLE PRECISION NOT NULL,  -- without the calls whose price is unknown
  unknown_price INTEGER NOT NULL,      -- the number of those calls
  tokens_in BIGINT NOT NULL,
  tokens_out BIGINT NOT NULL,
  calls_sent INTEGER NOT NULL,
  calls_cached INTEGER NOT NULL,
  calls_retried INTEGER NOT NULL,
  facts TEXT NOT NULL,       -- JSON: command, targets, judges, versions
  problems TEXT NOT NULL,    -- JSON: a list
  source TEXT NOT NULL       -- run, or history: a row of history.jsonl, without results
);
CREATE INDEX runs_by_time ON runs (project, created);

CREATE TABLE labels (
  run_id TEXT NOT NULL,
  label TEXT NOT NULL,       -- key=value
  PRIMARY KEY (run_id, label)
);

CREATE TABLE evals (
  project TEXT NOT NULL,
  suite TEXT NOT NULL,
  first_run_id TEXT NOT NULL,
  PRIMARY KEY (project, suite)
);

-- One suite of a run, aggregated: dashboards read this table and metrics, and never scan results or scores.
CREATE TABLE suites (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  verdict TEXT NOT NULL,
  mode TEXT NOT NULL,
  cases INTEGER NOT NULL,
  trials INTEGER NOT NULL,
  planned INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  errored INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  not_run INTEGER NOT NULL,
  unscored INTEGER NOT NULL,
  pass_rate DOUBLE PRECISION,
  golden TEXT NOT NULL,      -- JSON: the files
  golden_sha256 TEXT NOT NULL,
  scorers_sha256 TEXT NOT NULL,
  drawn_from INTEGER,
  stopped TEXT,
  model TEXT,
  target TEXT,               -- model, endpoint, parameters, prompt and its digest
  baseline_run_id TEXT,
  discordance DOUBLE PRECISION,
  delta DOUBLE PRECISION,
  delta_p DOUBLE PRECISION,
  finding TEXT,
  PRIMARY KEY (run_id, suite)
);
CREATE INDEX suites_by_name ON suites (suite, run_id);

CREATE TABLE metrics (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  metric TEXT NOT NULL,      -- pass_rate, score.NAME, cost_usd, latency_p95_s, or METRIC.FIGURE
  value DOUBLE PRECISION,
  lower_bound DOUBLE PRECISION,
  upper_bound DOUBLE PRECISION,
  n INTEGER NOT NULL,
  PRIMARY KEY (run_id, suite, metric)
);
CREATE INDEX metrics_by_name ON metrics (suite, metric, run_id);

CREATE TABLE slices (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  slice_by TEXT NOT NULL,
  slice_value TEXT NOT NULL,
  n INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  pass_rate DOUBLE PRECISION NOT NULL,
  lower_bound DOUBLE PRECISION NOT NULL,
  upper_bound DOUBLE PRECISION NOT NULL,
  delta DOUBLE PRECISION,
  p DOUBLE PRECISION,
  PRIMARY KEY (run_id, suite, slice_by, slice_value)
);

CREATE TABLE gates (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  place INTEGER NOT NULL,    -- of the gate in the configuration, from 0
  kind TEXT NOT NULL,
  gate_of TEXT NOT NULL,     -- tags, slices or the scorer of the gate
  result TEXT NOT NULL,
  value DOUBLE PRECISION,
  bound DOUBLE PRECISION,
  required DOUBLE PRECISION,
  p DOUBLE PRECISION,
  message TEXT NOT NULL,
  PRIMARY KEY (run_id, suite, place)
);

CREATE TABLE judges (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  judge TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  calibrated INTEGER NOT NULL,
  scored INTEGER NOT NULL,
  unreadable INTEGER NOT NULL,
  pass_rate DOUBLE PRECISION,
  tpr DOUBLE PRECISION,
  tnr DOUBLE PRECISION,
  labelled INTEGER NOT NULL,
  PRIMARY KEY (run_id, suite, judge)
);

-- The cases as planned, each stored once: runs that plan a case unchanged share its row.
CREATE TABLE cases (
  case_sha256 TEXT PRIMARY KEY,
  suite TEXT NOT NULL,
  case_id TEXT NOT NULL,
  file TEXT NOT NULL,
  line INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  planned TEXT NOT NULL      -- JSON: tags, slices, cluster, side
);

CREATE TABLE results (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  place INTEGER NOT NULL,    -- of the case in the plan, from 0
  trial INTEGER NOT NULL,    -- from 1; 0: the case has no trial
  case_id TEXT NOT NULL,
  case_sha256 TEXT NOT NULL,
  outcome TEXT NOT NULL,     -- of the case: passed, missed, errored, skipped, not_run, unscored
  passed DOUBLE PRECISION,   -- of the trial: 1, 0 or NULL
  latency_s DOUBLE PRECISION,
  tokens_in BIGINT,
  tokens_out BIGINT,
  cost_usd DOUBLE PRECISION,
  attempts INTEGER NOT NULL,
  error TEXT,                -- why there is no output
  input TEXT,                -- this and the next only with store_texts = true
  output TEXT,
  PRIMARY KEY (run_id, suite, place, trial)
);
CREATE INDEX results_by_case ON results (suite, case_id, run_id);

CREATE TABLE scores (
  run_id TEXT NOT NULL,
  suite TEXT NOT NULL,
  place INTEGER NOT NULL,
  trial INTEGER NOT NULL,
  scorer TEXT NOT NULL,
  value DOUBLE PRECISION,
  passed INTEGER,
  counts INTEGER NOT NULL,
  reason TEXT,               -- only with store_texts = true: reasons may quote outputs
  PRIMARY KEY (run_id, suite, place, trial, scorer)
);

CREATE TABLE promotions (
  project TEXT NOT NULL,
  suite TEXT NOT NULL,
  promoted TEXT NOT NULL,
  run_id TEXT NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  old_run_id TEXT,
  old_sha256 TEXT,
  new_sha256 TEXT NOT NULL,
  worse TEXT NOT NULL,       -- JSON: ids of the cases that got worse, at most 100
  PRIMARY KEY (project, suite, promoted, run_id)
);
