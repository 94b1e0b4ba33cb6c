-- Which stored interactions of the day stand beside what was read now? Those that were not read again, on this day
-- or another, and those whose source changed them later than what was read. Where a source is fetched, a trace is
-- read as a whole or more of it than before: a stored row of it that it no longer gives was made of a part.
WITH found AS (
    SELECT interaction_id, max(updated_at) AS updated_at
    FROM told
    SEMI JOIN stored USING (interaction_id)
    GROUP BY interaction_id
),

told_again AS (
    SELECT DISTINCT source, trace_id
    FROM told_traces
    SEMI JOIN fetched USING (source)
    SEMI JOIN stored USING (source, trace_id)
)

SELECT
    stored.interaction_id,
    stored.source,
    found.interaction_id IS NULL AS unread
FROM stored
LEFT JOIN found USING (interaction_id)
LEFT JOIN told_again ON stored.source = told_again.source AND stored.trace_id = told_again.trace_id
WHERE CASE
    WHEN found.interaction_id IS NULL THEN told_again.source IS NULL
    ELSE coalesce(stored.updated_at > coalesce(found.updated_at, '-infinity'::TIMESTAMPTZ), false)
END
ORDER BY stored.interaction_id
