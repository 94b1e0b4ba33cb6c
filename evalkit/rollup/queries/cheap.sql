-- What does one metric's scorer say of each interaction without models, and is that all that is known of it? One row
-- an interaction, by id.
SELECT s.cheap[$metric] AS cheap, coalesce(NOT s.is_drawn AND s.{status} = 'over_budget', false) AS is_open
FROM (SELECT interaction_id FROM interactions WHERE day = $day) AS i
LEFT JOIN (SELECT interaction_id, is_drawn, cheap, {status} FROM scores WHERE day = $day) AS s
    USING (interaction_id)
ORDER BY interaction_id
