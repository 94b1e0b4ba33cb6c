-- How was each interaction of the day drawn for models under a budget? One row an interaction, by id.
SELECT coalesce(probability, 0.0) AS probability, coalesce(is_drawn, false) AS is_drawn
FROM (SELECT interaction_id FROM interactions WHERE day = $day) AS i
LEFT JOIN (SELECT interaction_id, probability, is_drawn FROM scores WHERE day = $day) AS s
    USING (interaction_id)
ORDER BY interaction_id
