-- Which attributes, and which attributes of chunks, do these interactions have, and of which type are the values?
-- A value that is a JSON object is looked into once.
WITH entries AS (
    SELECT source, interaction_id, 'attributes.' || entry.key AS field, entry.value AS value
    FROM (SELECT source, interaction_id, unnest(map_entries(attributes)) AS entry FROM seen)
    UNION ALL
    SELECT source, interaction_id, 'contexts.attributes.' || entry.key AS field, entry.value AS value
    FROM (
        SELECT source, interaction_id, unnest(flatten(list_transform(contexts, lambda c: map_entries(c.attributes)))) AS entry
        FROM seen
    )
),

typed AS (
    SELECT
        source,
        interaction_id,
        field,
        value,
        CASE
            WHEN try_cast(value AS DOUBLE) IS NOT NULL THEN 'number'
            WHEN lower(value) IN ('true', 'false') THEN 'boolean'
            WHEN value LIKE '{%' THEN 'object'
            WHEN value LIKE '[%' THEN 'list'
            ELSE 'text'
        END AS type
    FROM entries
    WHERE value IS NOT NULL
),

inner_ones AS (
    SELECT
        typed.source,
        typed.interaction_id,
        typed.field || '.' || left(part.key, 200) AS field,
        CASE part.type
            WHEN 'VARCHAR' THEN 'text'
            WHEN 'BOOLEAN' THEN 'boolean'
            WHEN 'OBJECT' THEN 'object'
            WHEN 'ARRAY' THEN 'list'
            ELSE 'number'
        END AS type
    FROM (SELECT * FROM typed WHERE type = 'object' AND json_valid(value)) AS typed, json_each(typed.value) AS part
    WHERE part.type <> 'NULL'
)

SELECT source, field, type, count(DISTINCT interaction_id) AS n
FROM (
    SELECT source, interaction_id, field, type FROM typed
    UNION ALL
    SELECT source, interaction_id, field, type FROM inner_ones
)
GROUP BY ALL
ORDER BY ALL
