-- Which record of each call stands, and at which place of the day? The one that its source changed last; of
-- equals, the one read last. What is stored already has negative ordinals: of equals, it gives way.
SELECT
    ordinal,
    row_number() OVER (ORDER BY started_at, interaction_id) - 1 AS place
FROM (
    SELECT
        ordinal,
        interaction_id,
        started_at,
        row_number() OVER (
            PARTITION BY interaction_id ORDER BY updated_at DESC NULLS LAST, ordinal DESC
        ) AS newness
    FROM spooled
)
WHERE newness = 1
ORDER BY ordinal
