-- Which prompt texts did the day's interactions use, under which name and version, and how long were they? Rows are
-- counted once, by route as well: no list of them is held.
WITH routes AS (
    SELECT
        prompt_fingerprint AS fingerprint,
        coalesce(prompt_name, route) AS name,
        prompt_version AS version,
        route,
        count(*) AS n,
        arg_min(ordinal, (started_at, interaction_id)) AS example,
        min((started_at, interaction_id)) AS first_one,
        min(started_at) AS first_seen,
        max(started_at) AS last_seen,
        sum(tokens_input) AS tokens,
        count(tokens_input) AS counted
    FROM spooled
    ANTI JOIN dropped USING (ordinal)
    WHERE prompt_fingerprint IS NOT NULL
    GROUP BY fingerprint, name, version, route
)

SELECT
    $day::DATE AS day,
    fingerprint,
    name,
    version,
    first(route ORDER BY n DESC, route NULLS LAST) AS route,
    arg_min(example, first_one) AS example,
    sum(n)::BIGINT AS n,
    min(first_seen) AS first_seen,
    max(last_seen) AS last_seen,
    sum(tokens)::DOUBLE / nullif(sum(counted), 0) AS tokens_input
FROM routes
GROUP BY fingerprint, name, version
ORDER BY name, version, fingerprint
