"""Gathers the parts of traces that are scattered over lines and files, in bounded memory: what does
not fit waits on disk, divided by trace. What the parts are is not known here."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Cut", "Part", "Traces", "Whole"]

#: What is held in memory before it is written out, in bytes of parts.
HELD_BYTES = 64 * 1024 * 1024
#: One trace of more is cut: the parts that were read first stand.
MAX_TRACE_PARTS = 20_000
MAX_TRACE_BYTES = 64 * 1024 * 1024
#: Each holds so many of all traces; one of them is read back at a time.
_DIVISIONS = 256
_HEAD = struct.Struct("<IIII")


class Part(NamedTuple):
    """A piece of a trace, and where it stood."""

    data: bytes
    file: int
    line: int


class Whole(NamedTuple):
    """A trace with its parts in the order of reading."""

    trace: str
    parts: list[Part]


class Cut(NamedTuple):
    """A part of a trace that has too many; `first` is the one that was read first."""

    trace: str
    part: Part
    first: Part


class Traces:
    """Parts by trace. Use it as a context manager: what it wrote is gone at its end."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._limit = held_bytes
        self._held: dict[int, list[tuple[bytes, Part]]] = {}
        self._size = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def add(self, trace: str, part: Part) -> None:
        """Keep a part of a trace."""
        key = trace.encode("utf-8", "replace")
        self._held.setdefault(zlib.crc32(key) % _DIVISIONS, []).append((key, part))
        self._size += len(part.data) + len(key) + 128
        if self._size > self._limit:
            self._write()

    def wholes(self) -> Iterator[Whole | Cut]:
        """Every trace once, in an order that depends on nothing but the traces' ids and the order
        of reading; what of it was too much comes before it."""
        for division in range(_DIVISIONS):
            traces: dict[bytes, Whole] = {}
            sizes: dict[bytes, int] = {}
            for key, part in self._parts(division):
                whole = traces.get(key)
                if whole is None:
                    whole = traces[key] = Whole(key.decode("utf-8", "replace"), [])
                size = sizes.get(key, 0) + len(part.data)
                full = len(whole.parts) >= MAX_TRACE_PARTS or size > MAX_TRACE_BYTES
                if full and whole.parts:
                    yield Cut(whole.trace, part, whole.parts[0])
                    continue
                sizes[key] = size
                whole.parts.append(part)
            yield from traces.values()

    def _parts(self, division: int) -> Iterator[tuple[bytes, Part]]:
        if self._folder is not None:
            file = Path(self._folder.name, f"{division:03d}")
            if file.exists():
                with file.open("rb") as stream:
                    while head := stream.read(_HEAD.size):
                        key, data, at, line = _HEAD.unpack(head)
                        yield stream.read(key), Part(stream.read(data), at, line)
        yield from self._held.get(division, ())

    def _write(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="evalkit-traces-")
        for division, held in self._held.items():
            with Path(self._folder.name, f"{division:03d}").open("ab") as stream:
                for key, part in held:
                    line = min(part.line, 2**32 - 1)
                    stream.write(_HEAD.pack(len(key), len(part.data), part.file, line))
                    stream.write(key)
                    stream.write(part.data)
        self._held.clear()
        self._size = 0
