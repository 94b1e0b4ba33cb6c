"""Reads labelled interactions: a Parquet or JSONL file, or a table, into rows, 0/1 labels and
labelled spans."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.agreement.spans import Span
from evalkit.errors import EvalkitError
from evalkit.frames import interactions_from

__all__ = ["Labelled", "chunks_of", "read"]

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
#: The column of labelled spans that is taken without being named, where it has their shape.
_SPANS = "labels"
_TEXTS = ("query", "context", "contexts", "response")


@dataclass(frozen=True)
class Labelled:
    """Rows of `interactions` with a verdict each.

    Attributes:
        labels: bool [n].
        groups: by group column its value per row.
        clusters: the key of each row's source: rows of one source are not independent.
        spans: per row what people marked as unsupported; None where nobody looked. None without
        a column of spans.
        unlabelled: rows that were left out because their label is null.
        spans_left_out: rows whose spans do not lie within their response.
    """

    rows: pa.Table
    labels: NDArray[np.bool_]
    groups: Mapping[str, tuple[str, ...]]
    clusters: tuple[str, ...]
    spans: tuple[tuple[Span, ...] | None, ...] | None
    unlabelled: int
    spans_left_out: int


def read(
    source: Path | pa.Table,
    label: str,
    groups: Sequence[str] = (),
    spans: str | None = None,
    *,
    needs: Iterable[str] = (),
) -> Labelled:
    """Labelled rows from a file or table.

    Args:
        source: Parquet (`.parquet`), JSON lines (anything else), or a table. Columns: `query`,
            `response`, and `contexts` (a list of texts or of {id, text}) or `context` (one text,
            parted into chunks at blank lines).
        label: the column of verdicts, bool or 0/1; a null leaves its row out. "!column" turns each
            verdict around.
        groups: columns to tell rows apart by.
        spans: the column of unsupported spans, a list of {start, end} in characters of the response
            a row; without it `labels`, where that column has this shape.
        needs: more columns of `interactions` that scorers read; others stay out, whatever they
            hold.

    Raises:
        EvalkitError: the file cannot be read, a column is missing, a label is neither 0 nor 1, or
        no
            row has a label.
    """
    where = "the table" if isinstance(source, pa.Table) else str(source)
    table = source if isinstance(source, pa.Table) else _file(Path(source))
    turned = label.startswith("!") and label not in table.column_names
    label = label[1:] if turned else label
    for wanted in filter(None, ("response", label, spans, *groups)):
        if wanted not in table.column_names:
            raise EvalkitError(
                f"{where}: has no column {wanted!r}. It has: {', '.join(table.column_names)}. "
                "Name the label with --label, a group with --group, spans with --spans."
            )
    if not {"context", "contexts"} & set(table.column_names):
        raise EvalkitError(
            f"{where}: has neither `context` (one text) nor `contexts` (a list). "
            f"It has: {', '.join(table.column_names)}."
        )
    verdicts = [_verdict(v, row, where, label) for row, v in enumerate(table[label].to_pylist())]
    kept = [row for row, verdict in enumerate(verdicts) if verdict is not None]
    if not kept:
        raise EvalkitError(f"{where}: no row has a value in {label!r}. Nothing to compare with.")
    table = table.take(kept)
    marked, astray = _spans(table, spans, where)
    return Labelled(
        rows=interactions_from(_with_contexts(table, {*_TEXTS, *needs})),
        labels=np.array([verdicts[row] for row in kept], dtype=np.bool_) ^ turned,
        groups={
            column: tuple(_name(value) for value in table[column].to_pylist()) for column in groups
        },
        clusters=_clusters(table),
        spans=marked,
        unlabelled=len(verdicts) - len(kept),
        spans_left_out=astray,
    )


def chunks_of(context: str) -> list[str]:
    """One long context as chunks: its paragraphs, parted at blank lines.

    >>> chunks_of("passage 1: a\\n\\npassage 2: b")
    ['passage 1: a', 'passage 2: b']
    """
    return [part.strip() for part in _BLANK_LINE.split(context) if part.strip()]


def _file(path: Path) -> pa.Table:
    if not path.is_file():
        raise EvalkitError(f"{path}: no such file.")
    if path.suffix == ".parquet":
        try:
            return pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise EvalkitError(f"{path}: is no Parquet file ({error}).") from error
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise EvalkitError(f"{path}, line {number}: is no JSON ({error}).") from error
            if not isinstance(row, dict):
                raise EvalkitError(f"{path}, line {number}: is no JSON object.")
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise EvalkitError(f"{path}: a column mixes types ({error}). Give it one type.") from error


def _verdict(value: object, row: int, where: str, label: str) -> bool | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    raise EvalkitError(
        f"{where}, row {row + 1}: {label} is {value!r}. A label is true, false, 1, 0 or null."
    )


def _with_contexts(table: pa.Table, used: Container[str]) -> pa.Table:
    """The used columns, `context` parted into chunks."""
    table = table.select([name for name in table.column_names if name in used])
    if "contexts" not in table.column_names:
        parted = [None if v is None else chunks_of(v) for v in table["context"].to_pylist()]
        table = table.append_column("contexts", pa.array(parted, pa.list_(pa.string())))
    return table


def _clusters(table: pa.Table) -> tuple[str, ...]:
    names: Sequence[str] = ("source_id", "contexts", "context")
    key = next(name for name in names if name in table.column_names)
    return tuple(_name(value) for value in table[key].to_pylist())


def _spans(
    table: pa.Table, column: str | None, where: str
) -> tuple[tuple[tuple[Span, ...] | None, ...] | None, int]:
    """The labelled spans, and how many rows have some that do not lie within their response."""
    name = _SPANS if column is None else column
    if name not in table.column_names or not _holds_spans(table[name].type):
        if column is None:
            return None, 0
        raise EvalkitError(
            f"{where}: column {column!r} is {table[name].type}, no list of {{start, end}} in "
            "characters of the response."
        )
    found: list[tuple[Span, ...] | None] = []
    astray = 0
    rows = zip(table[name].to_pylist(), table["response"].to_pylist(), strict=True)
    for value, response in rows:
        spans = None if value is None else _within(value, len(response or ""))
        astray += value is not None and spans is None
        found.append(spans)
    return tuple(found), astray


def _holds_spans(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    item = kind.value_type
    if not pa.types.is_struct(item):
        return False
    fields = {field.name: field.type for field in item}
    return all(key in fields and pa.types.is_integer(fields[key]) for key in ("start", "end"))


def _within(items: Sequence[Mapping[str, Any] | None], length: int) -> tuple[Span, ...] | None:
    spans = [(item["start"], item["end"]) for item in items if item is not None]
    whole = all(
        start is not None and end is not None and 0 <= start <= end <= length
        for start, end in spans
    )
    return tuple(spans) if whole else None


def _name(value: object) -> str:
    return "none" if value is None else str(value)
