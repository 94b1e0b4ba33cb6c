-- Which interactions used a prompt's text first, and what was asked?
WITH foremost AS (
    SELECT interaction_id, started_at
    FROM interactions
    WHERE day = $day AND prompt_fingerprint = $fingerprint
    ORDER BY started_at, interaction_id
    LIMIT $top
)
SELECT interaction_id, coalesce(query, interaction_id) AS asked
FROM foremost
JOIN (SELECT interaction_id, query FROM interactions WHERE day = $day) AS i USING (interaction_id)
ORDER BY started_at, interaction_id
