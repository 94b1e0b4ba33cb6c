-- Which prompt texts did the day's interactions use, under which name and version, and how long were they?
WITH used AS (
    SELECT
        prompt_fingerprint AS fingerprint,
        coalesce(prompt_name, route) AS name,
        prompt_version AS version,
        route,
        ordinal,
        started_at,
        interaction_id,
        tokens_input
    FROM spooled
    SEMI JOIN kept USING (ordinal)
    WHERE prompt_fingerprint IS NOT NULL
),

routes AS (
    SELECT
        fingerprint,
        name,
        version,
        route,
        row_number() OVER (PARTITION BY fingerprint, name, version ORDER BY count(*) DESC, route) AS place
    FROM used
    GROUP BY fingerprint, name, version, route
),

texts AS (
    SELECT
        fingerprint,
        name,
        version,
        arg_min(ordinal, (started_at, interaction_id)) AS example,
        count(*) AS n,
        min(started_at) AS first_seen,
        max(started_at) AS last_seen,
        avg(tokens_input) AS tokens_input
    FROM used
    GROUP BY fingerprint, name, version
)

SELECT
    $day::DATE AS day,
    texts.fingerprint,
    texts.name,
    texts.version,
    routes.route,
    texts.example,
    texts.n,
    texts.first_seen,
    texts.last_seen,
    texts.tokens_input
FROM texts
JOIN routes
    ON texts.fingerprint = routes.fingerprint
    AND texts.name IS NOT DISTINCT FROM routes.name
    AND texts.version IS NOT DISTINCT FROM routes.version
    AND routes.place = 1
ORDER BY texts.name, texts.version, texts.fingerprint
