"""What logs write for a time, read as an instant in UTC. Days and zones are not known here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["time_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)
#: (below this magnitude, units per second): seconds, milliseconds, microseconds; nanoseconds from
#: there on.
_UNITS = ((1e11, 1), (1e14, 10**3), (1e17, 10**6))
_NANO = 10**9


def time_of(value: object) -> datetime | None:
    """An ISO 8601 text (no zone means UTC) or a Unix time in s, ms, µs or ns, told apart by
    magnitude.

    >>> time_of("2026-11-22T02:14:05.120Z") == time_of(1795313645120)
    True

    Returns:
        The instant in UTC to the microsecond; None when it is no time, or none between 2000 and
        2200.
    """
    if isinstance(value, str):
        moment = _from_text(value.strip())
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    else:
        moment = _from_number(value)
    return moment if moment is not None and _FIRST <= moment < _LAST else None


def _from_text(text: str) -> datetime | None:
    try:
        if text.isdecimal() and len(text) > 8:
            return _from_number(int(text)) if len(text) <= 20 else None
        if text.endswith("z"):
            text = text[:-1] + "Z"
        elif text.endswith(" UTC"):
            text = text[:-4] + "Z"
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:  # an epoch with decimals, as a text
        return _from_number(float(text)) if text[:1].isdigit() and "-" not in text else None
    except ValueError:
        return None


def _from_number(value: float) -> datetime | None:
    per_second = next((unit for limit, unit in _UNITS if abs(value) < limit), _NANO)
    try:
        if isinstance(value, int):  # exact: a float cannot hold nanoseconds of today
            return _EPOCH + timedelta(microseconds=value * 10**6 // per_second)
        return _EPOCH + timedelta(microseconds=round(value * (10**6 / per_second)))
    except (OverflowError, ValueError):
        return None
