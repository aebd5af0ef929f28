-- Insert a promotion; no row is changed if it is present.
INSERT INTO promotions (
  project, suite, promoted, run_id, author, reason, old_run_id, old_sha256, new_sha256, worse
)
VALUES (
  :project, :suite, :promoted, :run_id, :author, :reason, :old_run_id, :old_sha256, :new_sha256, :worse
)
ON CONFLICT DO NOTHING
