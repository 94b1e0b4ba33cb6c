"""One line to one JSON object, or the reason why not. What it means is a source's business."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from evalkit.ingest.contract import RecordError
from evalkit.ingest.times import time_of

__all__ = ["MAX_DEPTH", "RAW_CHARACTERS", "excerpt", "record_of", "time_in"]

#: Deeper nesting is no log record; beyond it neither reading nor writing JSON is safe.
MAX_DEPTH = 200
#: How much of an unreadable record is kept.
RAW_CHARACTERS = 2000
_SURROGATES = re.compile("[\ud800-\udfff]")
_INT64_DIGITS = 19


def record_of(data: bytes) -> dict[str, Any]:
    """The JSON object that a line holds.

    Writers in the wild emit NaN, Infinity, half surrogate pairs and endless integers. None of these
    costs the record: not-a-number is missing (None), half a pair is U+FFFD, an integer beyond 64
    bits is a float.

    >>> record_of(b'{"score": NaN, "n": 1}')
    {'score': None, 'n': 1}

    Raises:
        RecordError: the line is not UTF-8, no valid JSON (cut, say), too deeply nested or no
            object.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        value = _lenient(data, str(error))
    if not isinstance(value, dict):
        raise RecordError(f"not a JSON object but {_kind(value)}")
    return value


def excerpt(data: bytes) -> str:
    """The beginning of a line as text that can be stored: at most 2,000 characters, no NUL."""
    text = data[: RAW_CHARACTERS * 4].decode("utf-8", "replace")[:RAW_CHARACTERS]
    return text.replace("\x00", "\ufffd")


def time_in(record: Mapping[str, Any], *names: str) -> datetime:
    """The first time under these names.

    Raises:
        RecordError: there is none; the reason names the key that is there, or should be.
    """
    for name in names:
        time = time_of(record.get(name))
        if time is not None:
            return time
    wrong = next((name for name in names if record.get(name) is not None), None)
    raise RecordError(f"{names[0]}: missing" if wrong is None else f"{wrong}: is no time")


def _lenient(data: bytes, strict_reason: str) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8: byte 0x{data[error.start]:02x} at {error.start}") from None
    if "\x00" in text:
        raise RecordError("holds a NUL byte (is the file UTF-16?)")
    try:
        value = json.loads(text, parse_constant=_missing, parse_int=_integer)
        return _mended(value, MAX_DEPTH)
    except RecursionError:
        raise RecordError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        if isinstance(error, RecordError):
            raise
        if "depth" in strict_reason:
            raise RecordError(f"nested deeper than {MAX_DEPTH} levels") from None
        place = getattr(error, "pos", None)
        at_end = place is not None and place >= len(text.rstrip())
        cut = at_end or "Unterminated string" in str(error)
        what = "JSON that ends too early" if cut else "not valid JSON"
        raise RecordError(f"{what}: {strict_reason}") from None


def _missing(_: str) -> None:
    return None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INT64_DIGITS else float(digits)


def _mended(value: Any, depth: int) -> Any:
    if depth == 0:
        raise RecordError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_mended(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {
            _SURROGATES.sub("\ufffd", key): _mended(item, depth - 1) for key, item in value.items()
        }
    return value


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {
        bool: "true or false",
        str: "a string",
        list: "a list",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "something else")
