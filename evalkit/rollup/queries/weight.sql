-- For how many interactions does one with a score stand? On days that the metric was drawn for under a budget for one over
-- its probability, else for itself.
CASE WHEN s.probability IS NULL OR day NOT IN (
    SELECT day FROM ledger WHERE kind = 'budget' AND list_contains(string_split(spent['metrics'], ' '), $metric)
) THEN CAST(1 AS DOUBLE) ELSE 1 / s.probability END
