-- How many records of each source and hour could not be read?
SELECT
    source,
    (epoch_us(near) - $start_us) // 3600000000 AS hour,
    count(*) AS rejected
FROM rejected
GROUP BY ALL
ORDER BY ALL
