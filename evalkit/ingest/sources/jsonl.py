"""evalkit's own rows as JSON lines, strictly typed: for exports and homemade logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.config import SourceSettings
from evalkit.ingest.columns import UnfitError, columns_of
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.fields import attributes_of
from evalkit.ingest.linewise import line_source
from evalkit.ingest.prompts import Conversation, fingerprint
from evalkit.ingest.straight import columns_of_lines
from evalkit.ingest.times import time_of
from evalkit.schema import INTERACTIONS

__all__ = ["SOURCE", "parse", "whole"]

#: Gives the value as Arrow wants it, or raises ValueError with what it should be.
_Check = Callable[[Any], Any]
#: evalkit's own columns, and the one that is read first.
_IGNORED = frozenset({"day", "interaction_id", "source", "started_at"})


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """One row a line, keys named as the columns of `interactions`: `{"source_id": "a",
    "started_at": "..."}`.

    `started_at` is needed; `source_id` should be there. `day`, `interaction_id` and `source` are
    ignored, for they are evalkit's. Other keys become attributes. A value of the wrong type rejects
    the record, and the reason names the column.
    """
    started = record.get("started_at")
    near = time_of(started)
    if near is None:
        raise RecordError("started_at: missing" if started is None else "started_at: is no time")
    row: Row = {}
    unknown: dict[str, Any] | None = None
    for name, value in record.items():
        if value is None:
            continue
        if name in _TEXTS and type(value) is str:  # most values of most records
            row[name] = value
            continue
        check = _CHECKS.get(name)
        if check is not None:
            try:
                row[name] = check(value)
            except ValueError as error:
                raise RecordError(f"{name}{error}", near) from None
        elif name not in _IGNORED:
            unknown = unknown or {}
            unknown[name] = value
    row["started_at"] = near
    if unknown:
        row["attributes"] = attributes_of(unknown) | row.get("attributes", {})
    if "source_id" in row and (not row["source_id"] or row["source_id"].isspace()):
        del row["source_id"]
    if "prompt_fingerprint" not in row and "system_prompt" in row:
        row["prompt_fingerprint"] = _fingerprint(row["system_prompt"])
    return [row]


def _fingerprint(system_prompt: str) -> str | None:
    return fingerprint(Conversation(system_prompt, [], None, None), None)


def _check_of(type_: pa.DataType) -> _Check:
    if pa.types.is_string(type_):
        return _text
    if pa.types.is_integer(type_):
        return _integer
    if pa.types.is_floating(type_):
        return _number
    if pa.types.is_boolean(type_):
        return _flag
    if pa.types.is_timestamp(type_):
        return _time
    if pa.types.is_map(type_):
        return _texts_by_name
    if pa.types.is_struct(type_):
        return _object_of({field.name: _check_of(field.type) for field in type_})
    return _list_of(_check_of(type_.value_type))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(": is no text")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(": is no whole number")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(": is no whole number")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(": is no number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(": is neither true nor false")
    return value


def _time(value: Any) -> Any:
    found = time_of(value)
    if found is None:
        raise ValueError(": is no time")
    return found


def _texts_by_name(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(": is no object")
    for name, text in value.items():
        if text is not None and not isinstance(text, str):
            raise ValueError(f".{name[:50]}: is no text")
    return {name: text for name, text in value.items() if text is not None}


def _object_of(checks: dict[str, _Check]) -> _Check:
    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(": is no object")
        found = {}
        for name, inner in value.items():
            if inner is None or name not in checks:
                continue
            try:
                found[name] = checks[name](inner)
            except ValueError as error:
                raise ValueError(f".{name}{error}") from None
        return found

    return check


def _list_of(check: _Check) -> _Check:
    def check_all(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(": is no list")
        found = []
        for place, item in enumerate(value):
            try:
                found.append(None if item is None else check(item))
            except ValueError as error:
                raise ValueError(f"[{place}]{error}") from None
        return [item for item in found if item is not None]

    return check_all


_CHECKS: dict[str, _Check] = {
    column.name: _check_of(column.type)
    for column in INTERACTIONS.columns
    if column.name not in _IGNORED
}

_TEXTS = frozenset(name for name, check in _CHECKS.items() if check is _text)

_EVALKITS = _IGNORED - {"started_at"}


def whole(records: list[dict[str, Any]]) -> dict[str, pa.Array]:
    """What `parse` says of many records, where all of their values are plainly what they should
    be."""
    return _complete(columns_of(records, _EVALKITS))


def straight(data: bytes) -> tuple[dict[str, pa.Array], int]:
    """What `parse` says of lines, where all of them are plainly what they should be."""
    columns, count = columns_of_lines(data, _EVALKITS)
    return _complete(columns), count


def _complete(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    ids = columns.get("source_id")
    if ids is not None and pc.any(pc.or_(pc.equal(ids, ""), pc.utf8_is_space(ids))).as_py():
        raise UnfitError("source_id")
    prompts = columns.get("system_prompt")
    if prompts is not None:
        distinct = prompts.dictionary_encode()
        hashes = [_fingerprint(prompt) for prompt in distinct.dictionary.to_pylist()]
        hashed = pa.array(hashes, pa.string()).take(distinct.indices)
        given = columns.get("prompt_fingerprint")
        columns["prompt_fingerprint"] = hashed if given is None else pc.coalesce(given, hashed)
    return columns


SOURCE = line_source("jsonl", parse, __name__, whole, straight)
