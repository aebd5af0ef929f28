-- Delete the runs of a project that started before a time. Promotions stay.
DELETE FROM labels
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM suites
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM metrics
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM histograms
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM slices
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM gates
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM judges
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM scores
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM results
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM contents
WHERE run_id IN (SELECT run_id FROM runs WHERE project = :project AND created < :before);
DELETE FROM cases
WHERE case_sha256 IN (SELECT case_sha256 FROM cases EXCEPT SELECT case_sha256 FROM results);
DELETE FROM runs WHERE project = :project AND created < :before;
