"""Puts lines together that are parts of one call: batch requests with their results, chunks of a
stream that stand one a line. What a whole call means is a source's business."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import orjson

from evalkit.ingest.contract import Line, RecordError
from evalkit.ingest.records import record_of
from evalkit.ingest.streams import CHUNK

__all__ = ["MAX_STREAM_BYTES", "gathered"]

#: The chunks of one stream are held in memory while they are put together.
MAX_STREAM_BYTES = 16 * 1024 * 1024
_MARKS = (b'"custom_id"', CHUNK.encode())
_DATA, _DONE = b"data:", b"[DONE]"

_TABLE = "CREATE TABLE part (kind TEXT, place TEXT, key TEXT, file TEXT, number INTEGER, data BLOB)"
_INDEX = "CREATE INDEX found ON part (kind, place, key)"
_ADD = "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)"
_STREAMS = (
    "SELECT place, key, file, number, data FROM part WHERE kind = 'chunk' "
    "ORDER BY place, key, rowid"
)
#: Each result with the requests of its folder that bear its custom_id: more than one is none.
_RESULTS = (
    "SELECT file, number, data, "
    "(SELECT count(DISTINCT data) FROM part r "
    "WHERE r.kind = 'request' AND r.place = s.place AND r.key = s.key), "
    "(SELECT data FROM part r WHERE r.kind = 'request' AND r.place = s.place AND r.key = s.key) "
    "FROM part s WHERE kind = 'result' ORDER BY rowid"
)
_UNANSWERED = (
    "SELECT file, number, data FROM part r WHERE kind = 'request' AND NOT EXISTS "
    "(SELECT 1 FROM part s WHERE s.kind = 'result' AND s.place = r.place AND s.key = r.key) "
    "ORDER BY rowid"
)


def gathered(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines, with the parts of one call put together; all others pass as they are.

    A batch result gets its `request` from the request with its `custom_id` in any file of its
    folder; where the folder holds several different ones, it gets none and `batch_request` says so.
    A request without a result comes as a line with a problem. Chunks of one stream, told by `id`,
    become `{"response": [...]}`, on the line of the first. A line that is a list of chunks becomes
    the same.

    What has to wait waits in a nameless temporary database, which SQLite keeps on disk once it is
    large.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as parts:
        parts.execute("PRAGMA journal_mode = OFF")
        parts.execute(_TABLE)
        parts.execute("BEGIN")
        file: str | None = None
        held = False
        for line in lines:
            if line.file != file:
                if held:
                    yield from _streams(parts)
                file, held = line.file, False
            if line.problem is None and line.data.startswith(_DATA):
                data = line.data[len(_DATA) :].strip()
                if data == _DONE:
                    continue  # the frame of an event stream holds no record
                line = line._replace(data=data)
            part = _part_of(line)
            if part is None:
                yield line
            elif isinstance(part, Line):
                yield part
            else:
                parts.execute(_ADD, (*part, line.file, line.number, line.data))
                held = held or part[0] == "chunk"
        if held:
            yield from _streams(parts)
        parts.execute(_INDEX)
        yield from _results(parts)


def _part_of(line: Line) -> tuple[str, str, str] | Line | None:
    """(kind, place, key) of a part, a whole line for a list of chunks, None for any other line."""
    if line.problem is not None or not any(mark in line.data for mark in _MARKS):
        return None
    if line.data.lstrip()[:1] == b"[":
        if b'"' + CHUNK.encode() + b'"' not in line.data:
            return None
        return line._replace(data=b'{"response":' + line.data + b"}")
    try:
        record = record_of(line.data)
    except RecordError:
        return None  # its reason is told where it is read
    if record.get("object") == CHUNK:
        key = record.get("id")
        return ("chunk", line.file, key) if isinstance(key, str) and key else None
    key = record.get("custom_id")
    if not isinstance(key, str):
        return None
    folder = line.file.rpartition("/")[0]
    if "response" in record and "request" not in record:
        return "result", folder, key
    return ("request", folder, key) if isinstance(record.get("body"), dict) else None


def _streams(parts: sqlite3.Connection) -> Iterator[Line]:
    key: tuple[str, str] | None = None
    first: Line | None = None
    chunks: list[bytes] = []
    size = 0
    for place, id_, file, number, data in parts.execute(_STREAMS):
        if key != (place, id_):
            if first is not None:
                yield _stream(first, chunks, size)
            key, first, chunks, size = (place, id_), Line(file, number, data), [], 0
        size += len(data)
        if size <= MAX_STREAM_BYTES:
            chunks.append(data)
    if first is not None:
        yield _stream(first, chunks, size)
    parts.execute("DELETE FROM part WHERE kind = 'chunk'")


def _stream(first: Line, chunks: list[bytes], size: int) -> Line:
    if size > MAX_STREAM_BYTES:
        return first._replace(problem=f"a stream of more than {MAX_STREAM_BYTES:,} bytes")
    return first._replace(data=b'{"response":[' + b",".join(chunks) + b"]}")


def _results(parts: sqlite3.Connection) -> Iterator[Line]:
    for file, number, data, count, request in parts.execute(_RESULTS):
        if count == 1:
            more: dict[str, Any] = {"request": record_of(request)["body"]}
        elif count:
            more = {"batch_request": "several requests of its folder have this custom_id"}
        else:
            more = {}
        yield Line(file, number, orjson.dumps({**record_of(data), **more}) if more else data)
    for file, number, data in parts.execute(_UNANSWERED):
        yield Line(file, number, data, "a batch request without its result")
