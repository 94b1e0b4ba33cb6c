-- What was the level of the headline metrics, night by night?
SELECT day, metric, mean
FROM daily
WHERE segment = 'all' AND day BETWEEN $first AND $last AND list_contains($metrics::VARCHAR[], metric)
ORDER BY day, metric
