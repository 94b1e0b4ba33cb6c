-- What does a person need to see of these interactions?
SELECT day, interaction_id, app, route, query, response, contexts
FROM interactions
WHERE day BETWEEN $start AND $end
  AND list_contains($ids, interaction_id)
