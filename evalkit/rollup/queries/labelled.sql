-- Which metrics have verdicts on interactions of the window?
SELECT DISTINCT metric
FROM labels
WHERE day BETWEEN $start AND $day AND value IN (0, 1)
ORDER BY metric
