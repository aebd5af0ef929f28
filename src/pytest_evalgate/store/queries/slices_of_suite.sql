-- The slices of a suite in one run, as the gates saw them.
SELECT slice_by, slice_value, n, passed, pass_rate, lower_bound, upper_bound, delta, p
FROM slices
WHERE run_id = :run_id AND suite = :suite
ORDER BY slice_by, slice_value
