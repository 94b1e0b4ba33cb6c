-- Which interactions of a segment show a finding best? Those with the most extreme values of the metric first, in an
-- order that the same rows always have, with what was asked.
WITH foremost AS (
    SELECT s.interaction_id, s.value * $direction AS badness
    FROM (
        SELECT interaction_id, {value} AS value FROM scores
        WHERE day = $day AND {status} = 'ok' AND {value} IS NOT NULL
    ) AS s
    JOIN (
        SELECT interaction_id FROM interactions
        WHERE day = $day
          AND ($segment = 'all' OR coalesce(CAST({segment} AS VARCHAR), '(none)') = $value)
    ) AS i USING (interaction_id)
    ORDER BY badness DESC, s.interaction_id
    LIMIT $top
)
SELECT interaction_id, coalesce(query, interaction_id) AS asked
FROM foremost
JOIN (SELECT interaction_id, query FROM interactions WHERE day = $day) AS i USING (interaction_id)
ORDER BY badness DESC, interaction_id
