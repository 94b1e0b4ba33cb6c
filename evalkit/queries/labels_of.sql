-- What did people say about one interaction?
SELECT metric, value, "by", "at"
FROM labels
WHERE day = $day
  AND interaction_id = $id
ORDER BY metric, "at"
