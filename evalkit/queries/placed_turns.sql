-- Where does each interaction of a day stand in its session, in the order of the day's rows? One row
-- an interaction that belongs to a session; the question of session_turns.sql stands within.
WITH turns AS (
{turns}
)
SELECT day_rows.place, turns.*
FROM turns
JOIN day_rows USING (interaction_id)
ORDER BY day_rows.place
