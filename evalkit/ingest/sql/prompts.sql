-- Which prompt texts did the day's interactions use, under which name and version, and how long were they? A row's
-- place is that in the day. What is held of a prompt is of one size, so that any number of them can wait on a disk:
-- a template with the time of day in it is another one with each call.
WITH routes AS (
    SELECT
        prompt_fingerprint AS fingerprint,
        coalesce(prompt_name, route) AS name,
        prompt_version AS version,
        route,
        count(*) AS n,
        min(place) AS place,
        arg_min(ordinal, place) AS ordinal,
        min(started_at) AS first_seen,
        max(started_at) AS last_seen,
        sum(tokens_input) AS tokens,
        count(tokens_input) AS counted
    FROM spooled
    WHERE prompt_fingerprint IS NOT NULL AND place >= 0
    GROUP BY fingerprint, name, version, route
)

SELECT
    $day::DATE AS day,
    fingerprint,
    name,
    version,
    route,
    example,
    n,
    first_seen,
    last_seen,
    tokens_input
FROM (
    SELECT
        fingerprint,
        name,
        version,
        route,
        first_value(ordinal) OVER (prompt ORDER BY place) AS example,
        sum(n) OVER prompt AS n,
        min(first_seen) OVER prompt AS first_seen,
        max(last_seen) OVER prompt AS last_seen,
        CAST(sum(tokens) OVER prompt AS DOUBLE) / nullif(sum(counted) OVER prompt, 0) AS tokens_input,
        row_number() OVER (prompt ORDER BY n DESC, route) AS nth
    FROM routes
    WINDOW prompt AS (PARTITION BY fingerprint, name, version)
)
WHERE nth = 1
ORDER BY name, version, fingerprint
