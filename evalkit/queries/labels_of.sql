-- What did people say about one interaction? A value of NULL: they could not tell.
SELECT metric, value, "by", "at", comment, origin
FROM labels
WHERE day = $day
  AND interaction_id = $id
ORDER BY metric, "at", "by" NULLS FIRST
