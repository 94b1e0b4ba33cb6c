-- How did every metric of the whole traffic stand, day by day?
SELECT day, metric, n, n_eligible, n_scored, n_represented, mean, lower, upper, total,
    rate, rate_lower, rate_upper, n_labels, rate_from, rate_basis
FROM daily
WHERE segment = 'all' AND day BETWEEN least($trend_start, $usual_start) AND $day
ORDER BY metric, day
