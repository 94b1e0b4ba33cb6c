-- Which scores were made of the same row with the same scorers? In the order of the day's rows, one row
-- for each; whether they may stay is not yet said (errors, another corpus).
SELECT day_rows.place, made.*
FROM day_rows
JOIN (SELECT * FROM {made} WHERE day = $day AND scorer_fingerprint = $scorers) AS made
    ON made.interaction_id = day_rows.interaction_id
   AND made.content_fingerprint = day_rows.content_fingerprint
ORDER BY day_rows.place
