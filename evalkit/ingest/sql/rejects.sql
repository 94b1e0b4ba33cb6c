-- What could not be read on this day, and why? Of a source whose stored records could not all be read again, what is
-- stored stands beside it; a file that was only renamed is the same file.
WITH refused AS (
    SELECT
        source, file, line, near, reason, raw, ordinal,
        row_number() OVER (PARTITION BY source, line, reason, raw ORDER BY ordinal) AS nth
    FROM rejected
),

known AS (
    SELECT
        source, file, line, near, reason, raw,
        row_number() OVER (PARTITION BY source, line, reason, raw ORDER BY file) AS nth
    FROM stored_rejects
    SEMI JOIN partly USING (source)
)

SELECT $day::DATE AS day, source, file, line, near, reason, raw
FROM (
    SELECT source, file, line, near, reason, raw, ordinal FROM refused
    UNION ALL
    SELECT known.source, known.file, known.line, known.near, known.reason, known.raw, -1 AS ordinal
    FROM known
    ANTI JOIN refused
        ON known.source = refused.source
        AND known.line IS NOT DISTINCT FROM refused.line
        AND known.reason = refused.reason
        AND known.raw IS NOT DISTINCT FROM refused.raw
        AND known.nth = refused.nth
)
ORDER BY source, file, line, ordinal
