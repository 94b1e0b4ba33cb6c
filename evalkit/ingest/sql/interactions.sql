-- What are the day's interactions, in the order they began?
SELECT spooled.* EXCLUDE (ordinal)
FROM spooled
SEMI JOIN kept USING (ordinal)
ORDER BY started_at, interaction_id
