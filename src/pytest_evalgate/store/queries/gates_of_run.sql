-- The gates of a run.
SELECT suite, place, kind, gate_of, result, value, bound, required, p, message
FROM gates
WHERE run_id = :run_id
ORDER BY suite, place
