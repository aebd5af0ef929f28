-- The tables of a run that lack rows, or have more of them than were stored: none in a sound store.
SELECT t.run_id, t.table_name, sum(t.expected) AS expected, sum(t.present) AS present
FROM (
  SELECT run_id, table_name, row_count AS expected, 0 AS present FROM contents
  UNION ALL SELECT run_id, 'labels', 0, count(*) FROM labels GROUP BY run_id
  UNION ALL SELECT run_id, 'suites', 0, count(*) FROM suites GROUP BY run_id
  UNION ALL SELECT run_id, 'metrics', 0, count(*) FROM metrics GROUP BY run_id
  UNION ALL SELECT run_id, 'histograms', 0, count(*) FROM histograms GROUP BY run_id
  UNION ALL SELECT run_id, 'slices', 0, count(*) FROM slices GROUP BY run_id
  UNION ALL SELECT run_id, 'gates', 0, count(*) FROM gates GROUP BY run_id
  UNION ALL SELECT run_id, 'judges', 0, count(*) FROM judges GROUP BY run_id
  UNION ALL SELECT run_id, 'results', 0, count(*) FROM results GROUP BY run_id
  UNION ALL SELECT run_id, 'scores', 0, count(*) FROM scores GROUP BY run_id
) t
GROUP BY t.run_id, t.table_name
HAVING sum(t.expected) <> sum(t.present)
ORDER BY t.run_id, t.table_name
