-- One metric's part of values.sql: its value where there is one, and whether it applies to the interaction.
CASE WHEN s.{status} = 'ok' AND isfinite(s.{value}) THEN s.{value} END AS {value},
s.{status} IS NULL OR s.{status} NOT IN ('not_applicable', 'abstained') AS {status}
