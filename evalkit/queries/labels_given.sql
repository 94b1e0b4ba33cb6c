-- What has been said about one metric, up to a day?
SELECT *
FROM labels
WHERE metric = $metric
  AND day <= $until
ORDER BY day, interaction_id, "by" NULLS FIRST, "at"
