-- How did every metric of the whole traffic stand, day by day?
SELECT day, metric, n, n_eligible, n_scored, mean, lower, upper, total
FROM daily
WHERE segment = 'all' AND day BETWEEN least($trend_start, $usual_start) AND $day
ORDER BY metric, day
