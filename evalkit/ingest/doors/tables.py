"""Rows of Parquet and CSV files as JSON lines, so that every format is read from tables as it is from
lines. What the columns mean is a source's business."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.ingest.contract import Line
from evalkit.ingest.doors.packed import PIECE, DamagedError, Joined, unpacked
from evalkit.ingest.doors.places import Bytes, StoreError

__all__ = ["is_table", "table_lines"]

_PARQUET = b"PAR1"
_PACKED = (".gz", ".zst")
_CSV = {".csv": ",", ".tsv": "\t"}
_BATCH_ROWS = 256
_RAW_BYTES = 8000


def is_table(name: str, stream: Bytes) -> bool:
    """Whether a file is Parquet (by its content) or CSV (by its name, for it has no mark); `stream`
    stands at its beginning, before and after.

    Raises:
        OSError: it cannot be read.
    """
    if _delimiter(name) is not None:
        return True
    mark = stream.read(4)
    if mark:  # what has no content may be a device, which cannot go back
        stream.seek(0)
    return mark == _PARQUET


def table_lines(name: str, stream: Bytes, max_bytes: int) -> Iterator[Line]:
    """Each row as an object of its columns, on a line with its place in the table, from 1.

    Missing values are null. A file that breaks off gives the rows before, and a line that says so.

    Raises:
        OSError: the file cannot be read.
    """
    delimiter = _delimiter(name)
    rows = _parquet(stream) if delimiter is None else _csv(stream, delimiter, max_bytes)
    number = 0
    for row in rows:
        number += 1
        if isinstance(row, str):
            yield Line(name, number, b"", row)
            continue
        try:
            data = orjson.dumps(row, default=_plain, option=orjson.OPT_NON_STR_KEYS)
        except (TypeError, ValueError) as error:
            yield Line(name, number, b"", f"a row that is no JSON ({error})")
            continue
        problem = None
        if len(data) > max_bytes:
            data, problem = data[:_RAW_BYTES], f"the row is longer than {max_bytes:,} bytes"
        yield Line(name, number, data, problem)


def _delimiter(name: str) -> str | None:
    name = name.lower()
    for end in _PACKED:
        name = name.removesuffix(end)
    return next((mark for end, mark in _CSV.items() if name.endswith(end)), None)


def _parquet(stream: Bytes) -> Iterator[dict[str, Any] | str]:
    try:
        reader = pq.ParquetFile(stream, buffer_size=PIECE)
        maps = {field.name for field in reader.schema_arrow if pa.types.is_map(field.type)}
        for batch in reader.iter_batches(_BATCH_ROWS, use_threads=False):
            for row in _rows(batch):
                for column in maps & row.keys():
                    row[column] = dict(row[column] or ())
                yield row
    except (pa.ArrowException, OverflowError, ValueError, OSError) as error:
        if isinstance(error, StoreError) or getattr(error, "errno", None) is not None:
            raise  # the place failed, and not the file
        yield f"the Parquet file is damaged ({str(error)[:200]})"


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    found: list[Any] = column.to_pylist()
    return found


def _csv(stream: Bytes, delimiter: str, max_bytes: int) -> Iterator[dict[str, Any] | str]:
    # Only the standard library reads quoted fields with line breaks from a stream.
    content = io.BufferedReader(Joined(unpacked(iter(lambda: stream.read(PIECE), b""))), PIECE)
    text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace", newline="")
    try:
        # A field may be a whole prompt, and a forgotten quote makes one of the rest of the file.
        csv.field_size_limit(max_bytes)
        reader = csv.reader(_bounded(text, max_bytes), delimiter=delimiter)
        header = next(reader, None)
        for fields in reader:
            if header is None or not fields:
                continue
            if len(fields) != len(header):
                yield f"a row of {len(fields)} fields in a table of {len(header)} columns"
            else:
                yield {key: value or None for key, value in zip(header, fields, strict=True) if key}
    except (csv.Error, DamagedError) as error:
        yield f"the table is damaged ({error})"


def _bounded(text: io.TextIOWrapper, most: int) -> Iterator[str]:
    while line := text.readline(most + 1):
        if len(line) > most:
            raise csv.Error(f"a line longer than {most:,} characters")
        yield line.replace("\x00", "\ufffd")


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat() if value.tzinfo is None else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):  # a whole one may be an id, with more digits than a float holds
        is_whole = value.is_finite() and value == value.to_integral_value() and abs(value) < 2**63
        return int(value) if is_whole else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if isinstance(value, int):  # beyond 64 bits
        return float(value)
    raise TypeError(type(value).__name__)
