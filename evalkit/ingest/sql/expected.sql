-- How many records does each source usually have at each time of the clock: on this day's weekday in the last eight
-- weeks, and on any day of the last four? Hours that could not be read to their end say nothing.
SELECT
    source,
    clock,
    median(received) FILTER (WHERE weekday = isodow(CAST($day AS DATE))) AS of_weekday,
    count(*) FILTER (WHERE weekday = isodow(CAST($day AS DATE))) AS weeks,
    median(received) FILTER (WHERE day >= CAST($day AS DATE) - 28) AS of_any_day,
    count(*) FILTER (WHERE day >= CAST($day AS DATE) - 28) AS days
FROM (
    SELECT
        day,
        source,
        received,
        isodow(hour AT TIME ZONE $zone) AS weekday,
        strftime(hour AT TIME ZONE $zone, '%H:%M') AS clock
    FROM ledger
    WHERE kind = 'hour' AND day BETWEEN CAST($day AS DATE) - 56 AND CAST($day AS DATE) - 1
        AND source IS NOT NULL AND hour IS NOT NULL AND received IS NOT NULL AND missing IS NULL
)
GROUP BY ALL
ORDER BY ALL
