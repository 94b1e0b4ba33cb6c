-- How many interactions of the window have which score, in all and by each segment that has labels? What a budget
-- left unscored is counted by those that were drawn.
SELECT
    {names},
    score,
    sum(weight) AS n,
    min(day) AS first_day
FROM (
    SELECT
        day,
        round(s.{value}, $digits) AS score,
        {weight} AS weight,
        {segments}
    FROM scores AS s
    JOIN interactions AS i USING (day, interaction_id)
    WHERE day BETWEEN $start AND $day AND s.{status} = 'ok' AND isfinite(s.{value})
)
GROUP BY GROUPING SETS ({sets})
ORDER BY ALL
