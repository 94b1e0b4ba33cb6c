"""Lines of files on disk, plain or gzip, in bounded memory; rows of tables (Parquet, CSV) come as JSON
lines. Nothing else is parsed here."""

from __future__ import annotations

import glob
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import SourceError
from evalkit.ingest.contract import Line
from evalkit.ingest.doors.tables import is_table, table_lines

__all__ = ["MAX_LINE_BYTES", "lines", "matching"]

#: A longer line comes as its first bytes and a problem. One logged call is far smaller; what is
#: longer is a file without line breaks, and must not be held in memory.
MAX_LINE_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 8000
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


def lines(
    path: str,
    base: Path,
    where: str,
    *,
    required: bool = True,
    remedy: str = "set required = false",
    max_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Line]:
    """Every line of every file that matches, files in the order of their names.

    Args:
        path: a file, a folder (all files below it, but for hidden ones and such that begin with
            `_`) or a glob (`**` for any depth).
        base: the folder that a relative path starts from; files below it are named relative to it.
        where: which key is meant, for messages: `evalkit.toml: [sources.gateway] path`.
        required: whether no match is an error; `remedy` says how it need not be one.
        max_bytes: the longest line that is handed on whole.

    Returns:
        Lines without their line breaks; blank ones are left out, but counted in the numbers.

    Raises:
        SourceError: no file matches and one is required, or a file cannot be read.
    """
    found = matching(path, base)
    if not found and required:
        raise SourceError(f"{where}: no file matches {path!r}. Check the folder, or {remedy}.")
    for file in found:
        name = _name(file, base)
        try:
            if is_table(file):
                yield from table_lines(name, file, max_bytes)
            else:
                yield from _split(name, _chunks(file), max_bytes)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SourceError(
                f"{where}: {name} cannot be read ({reason}). Check its permissions."
            ) from error


def matching(path: str, base: Path) -> list[Path]:
    """The regular files that `path` means, sorted by name; a name with glob characters may be a
    plain name."""
    full = base / Path(path).expanduser()
    if full.is_dir():
        found = [
            Path(folder) / name
            for folder, folders, names in os.walk(full)
            if not folders.sort()
            for name in names
            if not name.startswith((".", "_"))
        ]
    elif full.exists():
        found = [full]
    else:
        # Path.glob refuses absolute patterns.
        found = [Path(name) for name in glob.glob(str(full), recursive=True)]  # noqa: PTH207
    return sorted({file for file in found if file.is_file()}, key=lambda file: file.as_posix())


def _name(file: Path, base: Path) -> str:
    try:
        name = file.relative_to(base)
    except ValueError:
        name = file
    # A file name may be any bytes; what is stored is text.
    return os.fsencode(name.as_posix()).decode("utf-8", "replace")


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """The archive ends or breaks here; what came before was handed on."""


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        first = stream.read(_CHUNK)
        if first.startswith(_GZIP):
            yield from _inflated(iter(lambda: stream.read(_CHUNK), b""), first)
            return
        while first:
            yield first
            first = stream.read(_CHUNK)


def _inflated(more: Iterator[bytes], data: bytes) -> Iterator[bytes]:
    """The content of one or more gzip members, a chunk at a time however well they are packed."""
    unpack = zlib.decompressobj(wbits=31)
    begun = False
    while True:
        while data:
            begun = True
            try:
                out = unpack.decompress(data, _CHUNK)
            except zlib.error as error:
                raise _Damaged(f"the gzip archive is damaged ({error})") from error
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
        raise _Damaged("the gzip archive ends too early: it was cut, or is still being written")


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without a byte order mark at the beginning, however small the first ones are."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_BOM):
            break
    yield head.removeprefix(_BOM)
    yield from chunks


def _split(name: str, chunks: Iterator[bytes], max_bytes: int) -> Iterator[Line]:
    number = 0
    held: list[bytes] = []
    size = 0
    problem: str | None = None
    try:
        for chunk in _without_mark(chunks):
            pieces = chunk.split(b"\n")
            last = pieces.pop()
            for piece in pieces:
                number += 1
                if held or size:
                    line = _line(name, number, [*held, piece], size + len(piece), max_bytes)
                    held, size = [], 0
                    if line is not None:
                        yield line
                elif piece and not piece.isspace():
                    yield (
                        Line(name, number, piece)
                        if len(piece) <= max_bytes
                        else _too_long(name, number, piece, max_bytes)
                    )
            del pieces, chunk
            if last:
                size += len(last)
                if size <= max_bytes:
                    held.append(last)
                elif held:  # too long already: only the beginning is of use, the rest is counted
                    held = [b"".join(held)[:_HEAD_BYTES]]
                else:
                    held = [last[:_HEAD_BYTES]]
    except _Damaged as damage:
        problem = str(damage)
    if problem is not None:
        # One reject says both that a line is cut and that nothing after it could be read.
        yield Line(name, number + 1, b"".join(held)[:_HEAD_BYTES], problem)
    elif held:
        line = _line(name, number + 1, held, size, max_bytes)
        if line is not None:
            yield line


def _line(name: str, number: int, parts: list[bytes], size: int, max_bytes: int) -> Line | None:
    if size > max_bytes:
        return _too_long(name, number, b"".join(parts), max_bytes)
    data = b"".join(parts)
    return None if data.isspace() or not data else Line(name, number, data)


def _too_long(name: str, number: int, data: bytes, max_bytes: int) -> Line:
    problem = f"the line is longer than {max_bytes:,} bytes"
    return Line(name, number, data[:_HEAD_BYTES], problem)
