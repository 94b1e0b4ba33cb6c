-- Which interactions used a prompt's text first? Each question once.
WITH once AS (
    SELECT interaction_id, started_at,
           row_number() OVER (
               PARTITION BY coalesce(query, interaction_id) ORDER BY started_at, interaction_id
           ) AS place
    FROM interactions
    WHERE day = $day AND prompt_fingerprint = $fingerprint
)
SELECT interaction_id FROM once
WHERE place = 1
ORDER BY started_at, interaction_id
LIMIT $most
