"""Takes typed values out of a record; what is left over becomes attributes. No format is known
here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from evalkit.ingest.times import time_of

__all__ = [
    "MAX_ATTRIBUTES",
    "MAX_KEY_CHARACTERS",
    "MAX_VALUE_CHARACTERS",
    "Fields",
    "attributes_of",
    "decimal_of",
    "text_of",
]

MAX_ATTRIBUTES = 64
MAX_KEY_CHARACTERS = 200
MAX_VALUE_CHARACTERS = 1000
#: No amount in a log is larger; what is, is no amount.
_TOO_MUCH = 1e15


class Fields:
    """The fields of one JSON object. Each reader tries names in order, and takes the first usable
    value out; a value of another type stays where it is.

    >>> fields = Fields({"latency_ms": "fast", "user": 7})
    >>> fields.number("latency_ms"), fields.text("user"), fields.rest
    (None, '7', {'latency_ms': 'fast'})
    """

    __slots__ = ("rest",)

    def __init__(self, record: object) -> None:
        self.rest: dict[str, Any] = dict(record) if isinstance(record, dict) else {}

    def text(self, *names: str) -> str | None:
        """A text that is not blank; whole numbers count as text (ids often are)."""
        for name in names:
            value = self.rest.get(name)
            if value is None:  # as most names are in most records
                continue
            if isinstance(value, str):
                if value and not value.isspace():
                    del self.rest[name]
                    return value
            elif isinstance(value, int) and not isinstance(value, bool):
                del self.rest[name]
                return str(value)
        return None

    def number(self, *names: str) -> float | None:
        """A finite number."""
        for name in names:
            value = self.rest.get(name)
            if value is None:
                continue
            # inf - inf and nan - nan are not 0: one cheap test for both
            if (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and value - value == 0
            ):
                del self.rest[name]
                return value
        return None

    def count(self, *names: str) -> int | None:
        """A whole number from 0 to 2^63 - 1."""
        for name in names:
            value = self.rest.get(name)
            if value is None or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if 0 <= value < 2**63 and value == int(value):
                del self.rest[name]
                return int(value)
        return None

    def flag(self, *names: str) -> bool | None:
        """true or false."""
        for name in names:
            value = self.rest.get(name)
            if isinstance(value, bool):
                del self.rest[name]
                return value
        return None

    def time(self, *names: str) -> datetime | None:
        """An instant, in any way that logs write one."""
        for name in names:
            value = self.rest.get(name)
            value = None if value is None else time_of(value)
            if value is not None:
                del self.rest[name]
                return value
        return None

    def object(self, *names: str) -> dict[str, Any] | None:
        """An object, also one that is written as JSON in a string."""
        for name in names:
            value = self.rest.get(name)
            if value is None:
                continue
            if isinstance(value, str) and value.lstrip()[:1] == "{":
                try:
                    value = orjson.loads(value)
                except orjson.JSONDecodeError:
                    continue
            if isinstance(value, dict):
                del self.rest[name]
                return value
        return None

    def items(self, *names: str) -> list[Any] | None:
        """A list."""
        for name in names:
            value = self.rest.get(name)
            if isinstance(value, list):
                del self.rest[name]
                return value
        return None


def attributes_of(rest: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """What is left of a record as attributes: texts of bounded length, missing values left out.

    >>> attributes_of({"stream": True, "stop": None, "tools": [1]}, "request.")
    {'request.stream': 'true', 'request.tools': '[1]'}
    """
    found = {}
    for name, value in rest.items():
        text = text_of(value)
        if text is not None:
            found[(prefix + name)[:MAX_KEY_CHARACTERS]] = text
    return found


def decimal_of(value: object) -> float | None:
    """A finite number, also one that is written as a text; amounts of money often are.

    >>> decimal_of("0.0000510"), decimal_of("free")
    (5.1e-05, None)
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return float(value) if abs(value) < _TOO_MUCH else None


def text_of(value: object) -> str | None:
    """A JSON value as one attribute's text; None for a missing or blank one."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        text = value
    else:
        try:
            text = orjson.dumps(value).decode()
        except (TypeError, ValueError):  # beyond 64 bits, or deeper than can be written
            text = f"({type(value).__name__} that cannot be written)"
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
