-- Where does each interaction of the day stand in its session? The turn before it, of the day or the
-- day before, and whether one follows on the day; one row an interaction that belongs to a session.
WITH recent AS (
    SELECT day, interaction_id, source, session_id, started_at,
           left(query, $query_chars) AS query,
           right(response, $answer_chars) AS response,
           (SELECT max(started_at) FROM interactions WHERE day = $day) AS day_end
    FROM interactions
    WHERE day BETWEEN CAST($day AS DATE) - 1 AND CAST($day AS DATE) AND started_at IS NOT NULL
),
placed AS (
    SELECT day, interaction_id, started_at, day_end,
           lag(query) OVER session AS query,
           lag(response) OVER session AS answer,
           lag(started_at) OVER session AS before_at,
           lead(interaction_id) OVER session IS NOT NULL AS follows
    FROM recent
    WHERE session_id IS NOT NULL
    WINDOW session AS (PARTITION BY source, session_id ORDER BY started_at, interaction_id)
)
SELECT interaction_id,
       nullif(query, '') AS query,
       nullif(answer, '') AS answer,
       CAST(epoch_us(started_at) - epoch_us(before_at) AS DOUBLE) / 1e6 AS seconds,
       CASE WHEN follows THEN false
            WHEN epoch_us(day_end) - epoch_us(started_at) >= $settled_us THEN true END AS is_last
FROM placed
WHERE day = $day
ORDER BY interaction_id
