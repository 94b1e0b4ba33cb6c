-- How did one metric go, day by day, on each value of a segment?
SELECT
    day,
    value_of_segment AS value,
    n,
    n_eligible,
    n_scored,
    CASE WHEN n_represented IS NULL THEN n_scored ELSE least(n_represented, n_eligible) END / nullif(n_eligible, 0) AS coverage,
    mean,
    lower,
    upper,
    p10,
    p50,
    p90,
    p99,
    total
FROM daily
WHERE metric = $metric
  AND segment = $segment
  AND day BETWEEN $start AND $end
ORDER BY value_of_segment, day
