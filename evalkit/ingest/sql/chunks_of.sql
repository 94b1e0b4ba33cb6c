-- Text, title and time of change of some ids. Of several rows of one id the last one stands: the one that was
-- changed last; of equals the one whose text is greatest, so that the order of files decides nothing.
SELECT doc_id, text, title, updated_at
FROM found
WHERE doc_id IN (SELECT doc_id FROM asked)
ORDER BY doc_id, updated_at NULLS FIRST, text, title NULLS FIRST
