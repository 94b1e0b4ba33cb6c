-- Which interactions of a segment show a finding best? The most extreme values of the metric first, each
-- question once, in an order that the same rows always have.
WITH rows AS (
    SELECT i.interaction_id, i.query, s.value * $direction AS badness
    FROM (
        SELECT interaction_id, {value} AS value FROM scores
        WHERE day = $day AND {status} = 'ok' AND {value} IS NOT NULL
    ) AS s
    JOIN (
        SELECT interaction_id, query FROM interactions
        WHERE day = $day
          AND ($segment = 'all' OR coalesce(CAST({segment} AS VARCHAR), '(none)') = $value)
    ) AS i USING (interaction_id)
),
once AS (
    SELECT interaction_id, badness,
           row_number() OVER (
               PARTITION BY coalesce(query, interaction_id) ORDER BY badness DESC, interaction_id
           ) AS place
    FROM rows
)
SELECT interaction_id FROM once
WHERE place = 1
ORDER BY badness DESC, interaction_id
LIMIT $most
