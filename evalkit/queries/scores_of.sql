-- What are the scores of one interaction?
SELECT *
FROM scores
WHERE day = $day
  AND interaction_id = $id
