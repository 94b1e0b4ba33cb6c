-- What did a night find, what matters most first?
SELECT *
FROM findings
WHERE day = $day
ORDER BY
    CASE status WHEN 'resolved' THEN 1 ELSE 0 END,
    CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END,
    CASE status WHEN 'new' THEN 0 ELSE 1 END,
    p_value NULLS LAST,
    finding_id
