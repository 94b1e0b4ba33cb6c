-- What does the chunk store say of the ids that were asked for? Texts go from file to file: nothing is grouped or
-- sorted that holds them. An id may come several times (`chunks_of` knows which row stands).
CREATE TABLE found AS
SELECT
    CAST(doc_id AS VARCHAR) AS doc_id,
    CAST(text AS VARCHAR) AS text,
    CAST(title AS VARCHAR) AS title,
    TRY_CAST(updated_at AS TIMESTAMPTZ) AS updated_at
FROM store
WHERE
    CAST(doc_id AS VARCHAR) IN (SELECT doc_id FROM wanted)
    AND trim(CAST(text AS VARCHAR)) <> ''
