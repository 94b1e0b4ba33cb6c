-- What should someone know about this night? The most severe first, but what everyone has known for a week last.
SELECT day, finding_id, detector, kind, severity, metric, segment, left(value_of_segment, 200) AS value_of_segment,
       left(title, 400) AS title, before, after, effect, effect_kind, lower, upper, p_value, n, since, since_at,
       left(cause, 600) AS cause, detail, examples[1:20] AS examples, status
FROM findings
WHERE day = $day
ORDER BY CASE status WHEN 'resolved' THEN 1 ELSE 0 END,
         CASE severity WHEN 'info' THEN 1 ELSE 0 END,
         CASE WHEN status = 'ongoing' AND since < day - INTERVAL 7 DAY THEN 1 ELSE 0 END,
         CASE severity WHEN 'critical' THEN 0 ELSE 1 END,
         CASE status WHEN 'new' THEN 0 ELSE 1 END,
         abs(effect) DESC NULLS LAST, finding_id
LIMIT 500
