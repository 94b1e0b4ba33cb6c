-- How many interactions of a day did models read under its budget, and how many never had a chance?
SELECT
    count(*) AS n,
    count(*) FILTER (is_drawn) AS drawn,
    count(*) FILTER (NOT is_drawn AND probability IS NULL) AS without_chance
FROM scores
WHERE day = $day AND budget IS NOT NULL
