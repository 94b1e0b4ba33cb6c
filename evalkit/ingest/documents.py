"""Files that hold one JSON document instead of a record a line: an indented object, a list of
records. What a record means is a source's business."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from evalkit.ingest.contract import Line, Window

__all__ = ["MAX_DOCUMENT_BYTES", "documents"]

#: A document is held in memory while it is read.
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_HEAD_LINES = 100
#: What an indented document goes on with.
_INSIDE = (b" ", b"\t", b'"', b"}", b"]")


def documents(lines: Iterable[Line], _: Window) -> Iterator[Line]:
    """The lines; a file that is one indented document comes as one line, and a list as a line for
    each of its objects. Both bear the number of their first line.

    A list of other things comes as it is, and so does a document that is none after all.
    """
    for line in _joined(lines):
        if line.problem is None and line.data.lstrip()[:1] == b"[":
            yield from _items(line)
        else:
            yield line


def _joined(lines: Iterable[Line]) -> Iterator[Line]:
    file: str | None = None
    held: list[Line] = []
    size = 0
    for line in lines:
        first = line.file != file
        if first:
            yield from _one(held, size)
            file, held, size = line.file, [], 0
        if len(held) == 1 and line.data[:1] not in _INSIDE:
            yield from held
            held = []
        if held:
            size += len(line.data)
            if size <= MAX_DOCUMENT_BYTES:
                held.append(line)
        elif first and line.data.strip() in (b"{", b"["):
            held = [line]
        else:
            yield line
    yield from _one(held, size)


def _one(held: list[Line], size: int) -> Iterator[Line]:
    if not held:
        return
    problem = next((line.problem for line in held if line.problem), None)
    if size > MAX_DOCUMENT_BYTES:
        problem = f"a document of more than {MAX_DOCUMENT_BYTES:,} bytes; write one record a line"
        held = held[:_HEAD_LINES]
    yield held[0]._replace(data=b"\n".join(line.data for line in held), problem=problem)


def _items(line: Line) -> Iterator[Line]:
    try:
        items = orjson.loads(line.data)
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list) or not items or not all(isinstance(one, dict) for one in items):
        yield line
        return
    for item in items:
        yield line._replace(data=orjson.dumps(item))
