-- What did the window's labelled interactions score, and where do they belong?
SELECT
    day,
    interaction_id,
    round(s.{value}, $digits) AS score,
    1 / {weight} AS chance,
    {segments}
FROM scores AS s
JOIN interactions AS i USING (day, interaction_id)
WHERE day BETWEEN $start AND $day AND s.{status} = 'ok' AND isfinite(s.{value})
  AND interaction_id IN (SELECT interaction_id FROM labels WHERE metric = $metric AND day BETWEEN $start AND $day)
ORDER BY day, interaction_id
