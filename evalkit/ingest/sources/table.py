"""Tables of any make: Parquet, CSV or JSON lines, whose columns the configuration names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pyarrow as pa

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError
from evalkit.ingest.contract import Opener, Parsed, RecordError, Row, Source, Window
from evalkit.ingest.linewise import line_source
from evalkit.ingest.parts import contexts_of, feedback_of, stages_of
from evalkit.ingest.prompts import conversation_of, fingerprint
from evalkit.ingest.sources import jsonl
from evalkit.ingest.times import time_of
from evalkit.schema import INTERACTIONS

__all__ = ["SOURCE", "parse"]

_OWN = frozenset({"day", "interaction_id", "source"})
_TYPES = {column.name: column.type for column in INTERACTIONS.columns if column.name not in _OWN}
#: Columns whose cells may be written in many ways.
_PARTS: dict[str, Callable[[list[Any]], list[dict[str, Any]]]] = {
    "contexts": contexts_of,
    "stages": stages_of,
    "feedback": feedback_of,
}
_TRUE, _FALSE = frozenset({"true", "yes", "1", "t"}), frozenset({"false", "no", "0", "f"})
_MISSING = object()


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """Parquet, CSV or JSON lines with a column mapping, a row each: `columns = { query =
    "question", response = "answer", started_at = "time" }`.

    A column that is not mapped is taken under its own name where it is one of `interactions`; all
    others become attributes. Dots lead into objects, also those written as JSON in a string. Texts
    become what their column holds (`"412"` a count, `"yes"` a flag, JSON a list); `contexts` may
    also be plain texts. Where `query` is a prompt with its contexts, the question is what follows
    `question_pattern`. A value that cannot be its column rejects the record, and the reason names
    both.
    """
    given: dict[str, Any] = {}
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column, path in settings.columns.items():
        value = _at(record, path)
        if value is not _MISSING:
            given[column], names[column] = value, path
        taken.add(path)
    given |= {
        name: value
        for name, value in record.items()
        if name not in taken and name not in settings.columns
    }
    near = time_of(given.get("started_at"))
    row: dict[str, Any] = {}
    for column, value in given.items():
        if column not in _TYPES:
            row[column] = value
            continue
        try:
            found = _converted(value, column)
        except ValueError as error:
            named = names.get(column, column)
            where = column if named == column else f"{column} (from {named[:100]})"
            raise RecordError(f"{where}{error}", near) from None
        if found is not None:
            row[column] = found
    if isinstance(row.get("query"), str) and "prompt_fingerprint" not in row:
        asked = [
            {"role": "system", "content": row.get("system_prompt")},
            {"role": "user", "content": row["query"]},
        ]
        talk = conversation_of(asked, settings.question_pattern)
        if talk.lead is not None:
            row["query"] = talk.query
        contexts = row.get("contexts")
        pairs = None if contexts is None else [(one["id"], one["text"]) for one in contexts]
        hashed = fingerprint(talk, pairs)
        if hashed is not None:
            row["prompt_fingerprint"] = hashed
    return jsonl.parse(row, settings)


def _at(record: dict[str, Any], path: str) -> Any:
    """The value at a column's name, or along a path of names through objects."""
    if path in record:
        return record[path]
    at: Any = record
    for name in path.split("."):
        at = _loaded(at)
        if not isinstance(at, dict) or name not in at:
            return _MISSING
        at = at[name]
    return at


def _loaded(value: object) -> object:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _converted(value: Any, column: str) -> Any:
    """A cell as its column wants it, where it can be; the check of the type comes after.

    Raises:
        ValueError: a text that cannot be the column's number, flag or list.
    """
    type_ = _TYPES[column]
    if value is None or (isinstance(value, str) and (not value or value.isspace())):
        return None
    if pa.types.is_string(type_):
        if isinstance(value, int | float) and not isinstance(value, bool):
            whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
            return str(int(value) if whole else value)
        if isinstance(value, dict | list):
            return orjson.dumps(value).decode()
        return value
    if pa.types.is_timestamp(type_):
        return value
    if isinstance(value, str) and (pa.types.is_integer(type_) or pa.types.is_floating(type_)):
        return _number(value, whole=pa.types.is_integer(type_))
    if pa.types.is_boolean(type_):
        return _flag(value)
    value = _loaded(value)
    if column in _PARTS:
        items = value if isinstance(value, list) else [value]
        return _PARTS[column](items)
    if column == "relevant_ids":
        items = value if isinstance(value, list) else [value]
        return [str(one) if isinstance(one, int) else one for one in items]
    if column == "history" and isinstance(value, list):
        return [{"role": "user", "content": one} if isinstance(one, str) else one for one in value]
    if column == "attributes" and isinstance(value, dict):
        return {name: one if isinstance(one, str) else str(one) for name, one in value.items()}
    return value


def _number(text: str, whole: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number - number != 0:
        raise ValueError(": is no whole number" if whole else ": is no number")
    return number


def _flag(value: Any) -> Any:
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else value


def _checked(settings: SourceSettings, where: str) -> None:
    for column in settings.columns:
        if column not in _TYPES:
            close = difflib.get_close_matches(column, _TYPES, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(_TYPES)}."
            raise ConfigError(f"{where} columns: {column!r} is no column of interactions. {hint}")


def _source() -> Source:
    rows = line_source("table", parse, __name__)

    def open_(settings: SourceSettings, window: Window, opener: Opener) -> Iterator[Parsed]:
        _checked(settings, opener.where)
        return rows.open(settings, window, opener)

    return Source(rows.name, open_, rows.about, rows.module)


SOURCE = _source()
