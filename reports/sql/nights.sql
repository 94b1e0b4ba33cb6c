-- How was each night: its last run's verdict, its findings, its traffic?
WITH runs AS (
    SELECT day, arg_max(status, coalesce(started_at, TIMESTAMPTZ '1970-01-01')) AS status
    FROM ledger WHERE kind = 'run' AND day BETWEEN $first AND $last GROUP BY day
),
found AS (
    SELECT day, count(*) FILTER (status = 'new') AS new, count(*) FILTER (status <> 'resolved') AS open
    FROM findings WHERE day BETWEEN $first AND $last GROUP BY day
),
traffic AS (
    SELECT day, max(n) AS n FROM daily WHERE segment = 'all' AND day BETWEEN $first AND $last GROUP BY day
)
SELECT day, status, coalesce(new, 0) AS new, coalesce(open, 0) AS open, n
FROM traffic FULL JOIN runs USING (day) FULL JOIN found USING (day)
ORDER BY day
