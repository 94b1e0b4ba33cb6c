-- Which value of one column does each interaction of the day have? One row an interaction, by id.
SELECT CAST({column} AS VARCHAR) AS value
FROM interactions
WHERE day = $day
ORDER BY interaction_id
