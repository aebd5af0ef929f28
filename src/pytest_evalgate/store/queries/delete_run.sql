-- Delete the rows of one run; cases are shared by runs and stay.
DELETE FROM labels WHERE run_id = :run_id;
DELETE FROM suites WHERE run_id = :run_id;
DELETE FROM metrics WHERE run_id = :run_id;
DELETE FROM histograms WHERE run_id = :run_id;
DELETE FROM slices WHERE run_id = :run_id;
DELETE FROM gates WHERE run_id = :run_id;
DELETE FROM judges WHERE run_id = :run_id;
DELETE FROM scores WHERE run_id = :run_id;
DELETE FROM results WHERE run_id = :run_id;
DELETE FROM contents WHERE run_id = :run_id;
DELETE FROM runs WHERE run_id = :run_id;
