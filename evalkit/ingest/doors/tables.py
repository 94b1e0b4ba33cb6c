"""Rows of Parquet and CSV files as JSON lines, so that every format is read from tables as it is from
lines. What the columns mean is a source's business."""

from __future__ import annotations

import base64
import csv
import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.ingest.contract import Line

__all__ = ["is_table", "table_lines"]

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_CSV = {".csv": ",", ".tsv": "\t"}
_BATCH_ROWS = 256
_RAW_BYTES = 8000


def is_table(file: Path) -> bool:
    """Whether a file is Parquet (by its content) or CSV (by its name, for it has no mark).

    Raises:
        OSError: it cannot be read.
    """
    if _delimiter(file) is not None:
        return True
    with file.open("rb") as stream:
        return stream.read(4) == _PARQUET


def table_lines(name: str, file: Path, max_bytes: int) -> Iterator[Line]:
    """Each row as an object of its columns, on a line with its place in the table, from 1.

    Missing values are null. A file that breaks off gives the rows before, and a line that says so.

    Raises:
        OSError: the file cannot be read.
    """
    delimiter = _delimiter(file)
    rows = _parquet(file) if delimiter is None else _csv(file, delimiter, max_bytes)
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


def _delimiter(file: Path) -> str | None:
    name = file.name.lower().removesuffix(".gz")
    return next((mark for end, mark in _CSV.items() if name.endswith(end)), None)


def _parquet(file: Path) -> Iterator[dict[str, Any] | str]:
    try:
        with file.open("rb") as stream:
            reader = pq.ParquetFile(stream)
            maps = {field.name for field in reader.schema_arrow if pa.types.is_map(field.type)}
            for batch in reader.iter_batches(_BATCH_ROWS, use_threads=False):
                for row in _rows(batch):
                    for column in maps & row.keys():
                        row[column] = dict(row[column] or ())
                    yield row
    except (pa.ArrowException, OverflowError, ValueError) as error:
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


def _csv(file: Path, delimiter: str, max_bytes: int) -> Iterator[dict[str, Any] | str]:
    with file.open("rb") as stream:
        packed = stream.read(2) == _GZIP
    # Only the standard library reads quoted fields with line breaks from a stream.
    options: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "replace", "newline": ""}
    with gzip.open(file, "rt", **options) if packed else file.open("r", **options) as text:
        try:
            # A field may be a whole prompt, and a forgotten quote makes one of the rest of the file.
            csv.field_size_limit(max_bytes)
            reader = csv.reader(
                (line.replace("\x00", "\ufffd") for line in text), delimiter=delimiter
            )
            header = next(reader, None)
            for fields in reader:
                if header is None or not fields:
                    continue
                if len(fields) != len(header):
                    yield f"a row of {len(fields)} fields in a table of {len(header)} columns"
                else:
                    yield {
                        key: value or None for key, value in zip(header, fields, strict=True) if key
                    }
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield f"the table is damaged ({error})"


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat() if value.tzinfo is None else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
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
