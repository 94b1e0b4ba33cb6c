-- How many records of each source and hour were accepted, replaced by a newer one, or cut in the log? Hours count
-- from the day's first instant ($start_us, microseconds since 1970). What is stored already was read before: it is
-- no duplicate now.
SELECT
    spooled.source,
    (epoch_us(spooled.started_at) - $start_us) // 3600000000 AS hour,
    count(*) FILTER (WHERE dropped.ordinal IS NULL) AS accepted,
    count(*) FILTER (WHERE dropped.ordinal IS NOT NULL AND spooled.ordinal >= 0) AS duplicate,
    count(*) FILTER (WHERE dropped.ordinal IS NULL AND spooled.truncated) AS truncated
FROM spooled
LEFT JOIN dropped USING (ordinal)
GROUP BY ALL
ORDER BY ALL
