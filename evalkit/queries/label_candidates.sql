-- Which interactions of some days have a score, and an answer that a person could judge? `chance` is how likely a budget
-- was to have it scored.
SELECT
    s.day,
    s.interaction_id,
    s.{metric} AS value,
    CASE WHEN s.probability IS NULL OR s.day NOT IN (
        SELECT day FROM ledger WHERE kind = 'budget' AND list_contains(string_split(spent['metrics'], ' '), $metric)
    ) THEN CAST(1 AS DOUBLE) ELSE s.probability END AS chance,
    i.app,
    i.route
FROM scores AS s
JOIN interactions AS i USING (day, interaction_id)
WHERE s.day BETWEEN $start AND $end
  AND s.{metric} IS NOT NULL
  AND i.response IS NOT NULL
ORDER BY s.day, s.interaction_id
