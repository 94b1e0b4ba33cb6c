-- How many records of each source and hour could not be read? One without a time counts in the first hour.
SELECT
    source,
    coalesce((epoch_us(near) - $start_us) // 3600000000, 0) AS hour,
    count(*) AS rejected
FROM refused
GROUP BY ALL
ORDER BY ALL
