-- How many records of a day were received, taken, repeated, unreadable and scored?
SELECT
    (SELECT sum(received) FROM ledger WHERE day = $day AND kind = 'hour') AS received,
    (SELECT sum(accepted) FROM ledger WHERE day = $day AND kind = 'hour') AS accepted,
    (SELECT sum(duplicate) FROM ledger WHERE day = $day AND kind = 'hour') AS duplicate,
    (SELECT sum(rejected) FROM ledger WHERE day = $day AND kind = 'hour') AS rejected,
    (SELECT count(*) FROM scores WHERE day = $day) AS scored
