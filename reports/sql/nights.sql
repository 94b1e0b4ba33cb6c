-- How was each night: its last run's verdict, what was new, its traffic?
WITH runs AS (
    SELECT day, arg_max(status, coalesce(started_at, TIMESTAMPTZ '1970-01-01')) AS status
    FROM ledger WHERE kind = 'run' AND day BETWEEN $first AND $last GROUP BY day
),
found AS (
    SELECT day, count(*) FILTER (status = 'new') AS new, count(*) FILTER (status <> 'resolved') AS open,
           left(string_agg(left(title, 160), '; ' ORDER BY severity, finding_id) FILTER (status = 'new'), 400) AS news
    FROM findings WHERE day BETWEEN $first AND $last GROUP BY day
),
traffic AS (
    SELECT day, max(n) AS n FROM daily WHERE segment = 'all' AND day BETWEEN $first AND $last GROUP BY day
)
SELECT day, status, coalesce(new, 0) AS new, coalesce(open, 0) AS open, news, n
FROM traffic FULL JOIN runs USING (day) FULL JOIN found USING (day)
ORDER BY day
