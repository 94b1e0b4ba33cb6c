-- What did a night find? The most severe first, but what everyone has known for a week last.
SELECT *
FROM findings
WHERE day = $day
ORDER BY
    CASE status WHEN 'resolved' THEN 1 ELSE 0 END,
    CASE severity WHEN 'info' THEN 1 ELSE 0 END,
    CASE WHEN status = 'ongoing' AND since < day - INTERVAL 7 DAY THEN 1 ELSE 0 END,
    CASE severity WHEN 'critical' THEN 0 ELSE 1 END,
    CASE status WHEN 'new' THEN 0 ELSE 1 END,
    p_value NULLS LAST,
    finding_id
