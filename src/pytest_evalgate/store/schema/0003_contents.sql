-- Who owns a suite; and the number of rows of each run, by which `pytest-evalgate store check` finds what was lost.
ALTER TABLE evals ADD COLUMN owner TEXT;
ALTER TABLE evals ADD COLUMN description TEXT;

CREATE TABLE contents (
  run_id TEXT NOT NULL,
  table_name TEXT NOT NULL,
  row_count INTEGER NOT NULL,  -- tables without a row of the run are left out
  PRIMARY KEY (run_id, table_name)
);
INSERT INTO contents SELECT run_id, 'labels', count(*) FROM labels GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'suites', count(*) FROM suites GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'metrics', count(*) FROM metrics GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'histograms', count(*) FROM histograms GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'slices', count(*) FROM slices GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'gates', count(*) FROM gates GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'judges', count(*) FROM judges GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'results', count(*) FROM results GROUP BY run_id;
INSERT INTO contents SELECT run_id, 'scores', count(*) FROM scores GROUP BY run_id;
