-- Which records do not stand, of those whose call came several times? All but the one that its
-- source changed last; of equals, the one read last. What is stored already has negative ordinals: of equals, it
-- gives way.
SELECT ordinal
FROM (
    SELECT
        ordinal,
        row_number() OVER (
            PARTITION BY interaction_id ORDER BY updated_at DESC NULLS LAST, ordinal DESC
        ) AS newness
    FROM spooled
    SEMI JOIN twice USING (ordinal)
)
WHERE newness > 1
ORDER BY ordinal
