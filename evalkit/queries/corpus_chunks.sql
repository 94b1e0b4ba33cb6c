-- Which distinct chunks have been retrieved lately, those of the newest day first?
SELECT chunk.text AS text
FROM (
    SELECT day, unnest(contexts) AS chunk
    FROM interactions
    WHERE day BETWEEN $start AND $end
)
WHERE trim(chunk.text) <> '' AND length(chunk.text) <= $longest
GROUP BY chunk.text
ORDER BY max(day) DESC, chunk.text
LIMIT $most
