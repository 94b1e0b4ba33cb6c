-- Which interactions of some days have a score, and an answer that a person could judge?
SELECT
    s.day,
    s.interaction_id,
    s.{metric} AS value,
    i.app,
    i.route
FROM scores AS s
JOIN interactions AS i USING (day, interaction_id)
WHERE s.day BETWEEN $start AND $end
  AND s.{metric} IS NOT NULL
  AND i.response IS NOT NULL
ORDER BY s.day, s.interaction_id
