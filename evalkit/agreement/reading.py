"""Reads labelled interactions: a Parquet or JSONL file, or a table, into rows and 0/1 labels."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.errors import EvalkitError
from evalkit.frames import interactions_from

__all__ = ["Labelled", "chunks_of", "read"]

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_USED = ("query", "context", "contexts", "response", "truncated", "reference", "relevant_ids")


@dataclass(frozen=True)
class Labelled:
    """Rows of `interactions` with a verdict each.

    `labels` bool [n]; `groups` the value of the group column per row ("all" columns are left to the
    caller), empty without one; `clusters` the key of each row's contexts: rows of one source are
    not independent. `unlabelled` rows were left out because their label is null.
    """

    rows: pa.Table
    labels: NDArray[np.bool_]
    groups: tuple[str, ...]
    clusters: tuple[str, ...]
    unlabelled: int


def read(source: Path | pa.Table, label: str, group: str | None = None) -> Labelled:
    """Labelled rows from a file or table.

    Args:
        source: Parquet (`.parquet`), JSON lines (anything else), or a table. Columns: `query`,
            `response`, and `contexts` (a list of texts or of {id, text}) or `context` (one text,
            parted into chunks at blank lines).
        label: the column of verdicts, bool or 0/1; a null leaves its row out. "!column" turns each
            verdict around.
        group: a column to tell rows apart by.

    Raises:
        EvalkitError: the file cannot be read, a column is missing, a label is neither 0 nor 1, or
        no
            row has a label.
    """
    where = "the table" if isinstance(source, pa.Table) else str(source)
    table = source if isinstance(source, pa.Table) else _file(Path(source))
    turned = label.startswith("!") and label not in table.column_names
    label = label[1:] if turned else label
    for wanted in filter(None, ("response", label, group)):
        if wanted not in table.column_names:
            raise EvalkitError(
                f"{where}: has no column {wanted!r}. It has: {', '.join(table.column_names)}. "
                "Name the label with --label and the group with --group."
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
    return Labelled(
        rows=interactions_from(_with_contexts(table)),
        labels=np.array([verdicts[row] for row in kept], dtype=np.bool_) ^ turned,
        groups=tuple(_name(value) for value in table[group].to_pylist()) if group else (),
        clusters=_clusters(table),
        unlabelled=len(verdicts) - len(kept),
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


def _with_contexts(table: pa.Table) -> pa.Table:
    """The columns that scorers read, `context` parted into chunks."""
    table = table.select([name for name in table.column_names if name in _USED])
    if "contexts" not in table.column_names:
        parted = [None if v is None else chunks_of(v) for v in table["context"].to_pylist()]
        table = table.append_column("contexts", pa.array(parted, pa.list_(pa.string())))
    return table


def _clusters(table: pa.Table) -> tuple[str, ...]:
    names: Sequence[str] = ("source_id", "contexts", "context")
    key = next(name for name in names if name in table.column_names)
    return tuple(_name(value) for value in table[key].to_pylist())


def _name(value: object) -> str:
    return "none" if value is None else str(value)
