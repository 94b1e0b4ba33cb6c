-- Which verdicts are about the day's interactions? Of several by one person on one metric, the last one.
SELECT
    day,
    'traffic' AS origin,
    interaction_id,
    metric,
    value,
    "by",
    "at",
    NULL AS comment,
    NULL AS probability,
    CAST(NULL AS STRUCT(id VARCHAR, start DATE, "end" DATE, asked BIGINT, after VARCHAR[])) AS sheet
FROM (
    SELECT
        spooled.day,
        spooled.interaction_id,
        verdicts.metric,
        verdicts.value,
        verdicts."by",
        verdicts."at",
        row_number() OVER (
            PARTITION BY spooled.interaction_id, verdicts.metric, verdicts."by"
            ORDER BY verdicts."at" DESC, verdicts.ordinal DESC
        ) AS place
    FROM spooled
    ANTI JOIN dropped USING (ordinal)
    JOIN verdicts USING (source_id)
)
WHERE place = 1
ORDER BY interaction_id, metric, "by" NULLS FIRST
