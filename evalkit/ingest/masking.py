"""Puts placeholders into values of any shape: rows, their parts, JSON records. Which rows need it is
not decided here (`strings.py`), nor what is taken out (`text/personal.py`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from evalkit.ingest.contract import Row
from evalkit.ingest.strings import LEAST_NUMBER, parsed
from evalkit.text.redaction import Masks

__all__ = ["UNTOUCHED", "USER_KEY", "masked_record", "masked_row"]

#: In this order a row is read, so that a datum has its number by where a reader meets it first: the
#: same in every turn of a conversation, as far as that is possible.
_FIRST = ("system_prompt", "history", "query", "contexts", "response")
#: Columns that tell things apart; and parts of `contexts` and `feedback` that do.
_IDS = frozenset({"source_id", "trace_id", "session_id", "user_id", "relevant_ids"})
#: Columns that hold prose; the other text columns hold names, which rows are grouped by.
_TEXTS = frozenset(
    {"system_prompt", "history", "query", "response", "contexts", "reference", "feedback"}
    | {"corrected_response", "stages", "attributes"}
)
_PROSE = frozenset({"text", "content", "comment", "error", "attributes"})
_PART_IDS = frozenset({"id", "by"})
UNTOUCHED = frozenset({"started_at", "updated_at", "day", "interaction_id", "source"})
USER_KEY = re.compile(
    r"(?:^|[._/-])(?:end[_-]?)?user(?:[._-]?(?:id|name|email))?$|(?:^|_|\.)(?:end)?userid$"
    r"|(?:^|[a-z_.])user[_-]?id$",
    re.IGNORECASE,
)
_ID_KEY = re.compile(r"(?:^|[._-])ids?$|(?<=[a-z])Ids?$|^(?:session|thread|trace|uuid)$")


# ── rows
# ───────────────────────────────────────────────────────────────────────────────────────


def masked_row(row: Row, masks: Masks) -> Row:
    """A row with placeholders in its columns, which stay in their order."""
    done = {}
    for name in (*_FIRST, *row):
        if name in row and name not in done:
            value = row[name]
            done[name] = value if name in UNTOUCHED else _column(name, value, masks)
    return {name: done[name] for name in row}


def _column(name: str, value: Any, masks: Masks) -> Any:
    if type(value) is str:
        if name in _IDS:
            return masks.id(value)
        return masks.text(value) if name in _TEXTS else masks.name(value)
    if value is None or type(value) is float:
        return value
    if name == "relevant_ids" and isinstance(value, list):
        return [masks.id(one) if isinstance(one, str) else one for one in value]
    if name in ("contexts", "feedback", "stages") and isinstance(value, list):
        return [_part(one, masks) for one in value]
    return _walked(value, masks)


def _part(part: Any, masks: Masks) -> Any:
    """A chunk, a stage or a piece of feedback."""
    if not isinstance(part, Mapping):
        return _walked(part, masks)
    done = {}
    for name, value in part.items():
        if name in _PART_IDS and isinstance(value, str):
            done[name] = masks.id(value)
        elif isinstance(value, str) and name not in _PROSE:
            done[name] = masks.name(value)
        else:
            done[name] = _walked(value, masks)
    return done


def _walked(value: Any, masks: Masks) -> Any:
    if isinstance(value, str):
        return masks.text(value)
    if isinstance(value, Mapping):
        return {
            masks.text(name) if isinstance(name, str) else name: _walked(one, masks)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walked(one, masks) for one in value]
    if isinstance(value, int):
        return _number(value, masks)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        done = masks.text(text)
        return value if done == text else done
    return value


def _number(value: int, masks: Masks) -> Any:
    if value < LEAST_NUMBER:
        return value
    done = masks.text(str(value))
    return value if done == str(value) else done


# ── records
# ───────────────────────────────────────────────────────────────────────────────────────


def masked_record(value: Any, key: str, masks: Masks, user: Callable[[str], str] | None) -> Any:
    """Any JSON value with placeholders in its strings and names.

    Args:
        value: what JSON can say.
        key: the name under which it stands: ids are kept apart.
        masks: the placeholders of the record.
        user: gives the hash that stands for a user; None where users stay as they are.
    """
    if isinstance(value, dict):
        return {
            masks.text(name) if isinstance(name, str) else name: masked_record(
                one, str(name), masks, user
            )
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [masked_record(one, key, masks, user) for one in value]
    if isinstance(value, int):
        return _number(value, masks)
    if not isinstance(value, str):
        return value
    if user is not None and USER_KEY.search(key) and value.strip() and value[:1] not in "{[":
        return user(value)
    if user is not None and value[:1] in ("{", "["):
        inner = parsed(value)
        if inner is not None:  # JSON in a string may name users too
            return orjson.dumps(masked_record(inner, key, masks, user)).decode()
    return masks.id(value) if _ID_KEY.search(key) or USER_KEY.search(key) else masks.text(value)
