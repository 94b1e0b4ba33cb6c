-- What is a day's traffic like: chunks an interaction, how many of them were seen before, how long are texts?
WITH day_rows AS (
    SELECT query, response, contexts FROM interactions WHERE day = $day
),
given AS (
    SELECT day, chunk.text AS text
    FROM (
        SELECT day, unnest(contexts) AS chunk
        FROM interactions
        WHERE day BETWEEN $day - INTERVAL 7 DAY AND $day
    )
    WHERE trim(chunk.text) <> ''
),
chunks AS (
    SELECT text, count(*) FILTER (day = $day) AS times, bool_or(day < $day) AS before
    FROM given
    GROUP BY text
    HAVING count(*) FILTER (day = $day) > 0
),
retrieved AS (
    SELECT sum(times) AS n, count(*) FILTER (NOT before) AS new, sum(times * least(length(text) / 4.5, 256)) AS tokens
    FROM chunks
)
SELECT
    (SELECT n FROM retrieved) / count(*) AS chunks,
    (SELECT 1 - new / nullif(n, 0) FROM retrieved) AS repeated,
    avg(least(length(query) / 4.5, 256)) AS query_tokens,
    avg(least(length(response) / 4.5, 256)) AS response_tokens,
    (SELECT tokens / nullif(n, 0) FROM retrieved) AS chunk_tokens
FROM day_rows
