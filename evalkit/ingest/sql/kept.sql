-- Which record of each call stands? The one that its source changed last; of equals, the one read last.
SELECT ordinal
FROM (
    SELECT
        ordinal,
        row_number() OVER (
            PARTITION BY interaction_id ORDER BY updated_at DESC NULLS LAST, ordinal DESC
        ) AS place
    FROM spooled
)
WHERE place = 1
