-- Insert a suite of a project; no row is changed if it is present.
INSERT INTO evals (project, suite, first_run_id)
VALUES (:project, :suite, :first_run_id)
ON CONFLICT DO NOTHING
