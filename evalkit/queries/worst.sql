-- Which interactions of a day have the worst value of a metric?
SELECT
    i.interaction_id,
    s.{metric} AS value,
    i.route,
    i.model,
    i.query,
    i.response,
    i.contexts
FROM scores AS s
JOIN interactions AS i USING (day, interaction_id)
WHERE s.day = $day
  AND s.{metric} IS NOT NULL
ORDER BY s.{metric} {order}, i.interaction_id
LIMIT $n
