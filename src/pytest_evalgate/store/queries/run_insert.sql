-- Insert a run; no row is changed if its id is present.
INSERT INTO runs (
  run_id, project, created, duration_s, commit_id, branch, tier, verdict, exit_code, config_sha256, cost_usd,
  unknown_price, tokens_in, tokens_out, calls_sent, calls_cached, calls_retried, facts, problems, source
)
VALUES (
  :run_id, :project, :created, :duration_s, :commit_id, :branch, :tier, :verdict, :exit_code, :config_sha256,
  :cost_usd, :unknown_price, :tokens_in, :tokens_out, :calls_sent, :calls_cached, :calls_retried, :facts,
  :problems, :source
)
ON CONFLICT DO NOTHING
