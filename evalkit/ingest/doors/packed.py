"""Unpacks gzip and zstd, known by content, a bounded piece at a time however well they are packed."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PIECE", "DamagedError", "Joined", "unpacked"]

#: No piece of what was unpacked is larger.
PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: A zstd file may begin with a frame to skip: an index, say.
_SKIPPED = tuple(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60))
#: What the read that meets the damage had unpacked before is lost: reads are small.
_ZSTD_READ = 1 << 16


class DamagedError(Exception):
    """The archive ends or breaks here; what came before was handed on."""


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of what `chunks` hold: one or more gzip members or zstd frames, else the chunks as
    they are.

    Raises:
        DamagedError: an archive breaks or ends too early. Errors of `chunks` pass.
    """
    first = next(chunks, b"")
    if first.startswith(_GZIP):
        yield from _inflated(chunks, first)
    elif first.startswith((_ZSTD, *_SKIPPED)):
        yield from _zstd(chunks, first)
    elif first:
        yield first
        yield from chunks


class Joined(io.RawIOBase):
    """Chunks as a file to read from, for readers that want one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        into = memoryview(buffer)
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(into), len(self._rest))
        into[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _inflated(more: Iterator[bytes], data: bytes) -> Iterator[bytes]:
    unpack = zlib.decompressobj(wbits=31)
    begun = False
    while True:
        while data:
            begun = True
            try:
                out = unpack.decompress(data, PIECE)
            except zlib.error as error:
                raise DamagedError(f"the gzip archive is damaged ({error})") from error
            if out:
                yield out
            if unpack.eof:
                data = unpack.unused_data.lstrip(b"\x00")  # some writers pad members with zeros
                unpack, begun = zlib.decompressobj(wbits=31), False
            else:
                data = unpack.unconsumed_tail
        data = next(more, b"")
        if not data:
            break
        if not begun:
            data = data.lstrip(b"\x00")
    if begun:
        raise DamagedError("the gzip archive ends too early: it was cut, or is still being written")


class _Kept:
    """Chunks that keep their own error apart from what Arrow makes of it."""

    def __init__(self, first: bytes, more: Iterator[bytes]) -> None:
        self._first = first
        self._more = more
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        try:
            yield from self._more
        except BaseException as error:
            self.error = error
            raise


def _zstd(more: Iterator[bytes], first: bytes) -> Iterator[bytes]:
    source = _Kept(first, more)
    packed = pa.PythonFile(io.BufferedReader(Joined(iter(source)), PIECE), "r")
    stream = pa.CompressedInputStream(packed, "zstd")
    while True:
        try:
            out = stream.read(_ZSTD_READ)
        except (OSError, ValueError, pa.ArrowException) as error:
            if source.error is not None:
                raise source.error from None
            if "runcated" in str(error):
                reason = "ends too early: it was cut, or is still being written"
            else:
                reason = f"is damaged ({str(error)[:200]})"
            raise DamagedError(f"the zstd archive {reason}") from error
        if not out:
            return
        yield out
