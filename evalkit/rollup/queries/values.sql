-- What did each interaction of the day score? One row an interaction, by id, whether it has scores or not.
SELECT {columns}
FROM (SELECT interaction_id FROM interactions WHERE day = $day) AS i
LEFT JOIN (SELECT * FROM scores WHERE day = $day) AS s USING (interaction_id)
ORDER BY interaction_id
