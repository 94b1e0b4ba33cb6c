-- How many records of each source and hour were accepted, replaced by a newer one, or new to a day that was
-- stored before? Hours count from the day's first instant ($start_us, microseconds since 1970).
SELECT
    spooled.source,
    (epoch_us(spooled.started_at) - $start_us) // 3600000000 AS hour,
    count(*) FILTER (WHERE kept.ordinal IS NOT NULL) AS accepted,
    count(*) FILTER (WHERE kept.ordinal IS NULL) AS duplicate,
    count(*) FILTER (WHERE kept.ordinal IS NOT NULL AND stored.interaction_id IS NULL) AS fresh
FROM spooled
LEFT JOIN kept USING (ordinal)
LEFT JOIN stored USING (interaction_id)
GROUP BY ALL
ORDER BY ALL
