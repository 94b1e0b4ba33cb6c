-- What could not be read on this day, and why?
SELECT $day::DATE AS day, source, file, line, reason, raw
FROM rejected
ORDER BY source, file, line, ordinal
