"""Lines of files on disk or in a bucket, plain, gzip or zstd, in bounded memory; rows of tables
(Parquet, CSV) come as JSON lines. Nothing else is parsed here."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import ParamSpec

from evalkit.errors import SourceError
from evalkit.ingest.contract import Block, Line, lines_of
from evalkit.ingest.doors import s3
from evalkit.ingest.doors.packed import PIECE, DamagedError, unpacked
from evalkit.ingest.doors.places import Bytes, Stored, StoreError
from evalkit.ingest.doors.tables import is_table, table_lines
from evalkit.text.lines import line_breaks

__all__ = ["MAX_LINE_BYTES", "blocks", "lines", "matching"]

#: A longer line comes as its first bytes and a problem. One logged call is far smaller; what is
#: longer is a file without line breaks, and must not be held in memory.
MAX_LINE_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 8000
#: What is read of an object at once: each read is a request.
_OBJECT_CHUNK = 8 * 1024 * 1024
#: What is handed on as one block, about.
_BLOCK_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
#: So many objects in a row that cannot be read: then the store is gone, and not they.
_GIVE_UP = 3

_Asked = ParamSpec("_Asked")


def blocks(
    path: str,
    base: Path,
    where: str,
    *,
    required: bool = True,
    remedy: str = "set required = false",
    max_bytes: int = MAX_LINE_BYTES,
    endpoint: str | None = None,
    ca_file: Path | None = None,
    since: datetime | None = None,
    missed: Callable[[str], None] | None = None,
) -> Iterator[Line | Block]:
    """Every line of every file that matches, files in the order of their names, many lines at once.

    Args:
        path: a file, a folder (all files below it, but for hidden ones and such that begin with
            `_`) or a glob (`**` for any depth); the same of objects after `s3://bucket/`.
        base: the folder that a relative path starts from; files below it are named relative to it.
        where: which key is meant, for messages: `evalkit.toml: [sources.gateway] path`.
        required: whether no match is an error; `remedy` says how it need not be one.
        max_bytes: the longest line that is handed on whole.
        endpoint, ca_file: for buckets, as in the configuration.
        since: objects that were written before are left out: a record is written after its event.
        missed: told why, where a bucket or an object in it cannot be read; what can be is read.

    Returns:
        Blocks of whole lines; alone are those that are too long, damaged, or rows of a table.

    Raises:
        SourceError: no file matches and one is required, or a file cannot be read; with `missed`
            only one on disk.
    """
    remote = path.startswith(s3.SCHEME)
    try:
        found = matching(path, base, endpoint, ca_file, where)
    except StoreError as error:
        _miss(f"{path} cannot be listed: {error}", where, missed)
        return
    if not found and required:
        raise SourceError(f"{where}: no file matches {path!r}. Check the folder, or {remedy}.")
    if not remote:
        for file in found:
            try:
                yield from _lines(file, max_bytes, PIECE)
            except OSError as error:
                reason = error.strerror or str(error)
                raise SourceError(
                    f"{where}: {file.name} cannot be read ({reason}). Check its permissions."
                ) from error
        return
    if since is not None:
        found = [file for file in found if file.modified >= since.timestamp()]
    yield from _remote(s3.ahead(found), where, max_bytes, missed)


def _one_by_one(
    found: Callable[_Asked, Iterator[Line | Block]],
) -> Callable[_Asked, Iterator[Line]]:
    def lines(*asked: _Asked.args, **options: _Asked.kwargs) -> Iterator[Line]:
        return lines_of(found(*asked, **options))

    return lines


#: As `blocks`, but line by line: without their line breaks; blank ones are left out, but counted in
#: the numbers.
lines = _one_by_one(blocks)


def matching(
    path: str,
    base: Path,
    endpoint: str | None = None,
    ca_file: Path | None = None,
    where: str = "",
) -> list[Stored]:
    """The files that `path` means, sorted by name; a name with glob characters may be a plain name.

    Raises:
        StoreError: a bucket cannot be listed.
        ConfigError: the path or the endpoint of a bucket is none.
    """
    if path.startswith(s3.SCHEME):
        return s3.matching(path, endpoint, ca_file, where)
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
    files = sorted({file for file in found if file.is_file()}, key=lambda file: file.as_posix())
    return [_on_disk(file, base) for file in files]


def _on_disk(file: Path, base: Path) -> Stored:
    try:
        name = file.relative_to(base)
    except ValueError:
        name = file
    known = file.stat()
    # A file name may be any bytes; what is stored is text.
    text = os.fsencode(name.as_posix()).decode("utf-8", "replace")
    return Stored(text, str(file), known.st_mtime, known.st_size, partial(_opened, file))


def _opened(file: Path) -> Bytes:
    return file.open("rb")


def _remote(
    files: Iterable[Stored], where: str, max_bytes: int, missed: Callable[[str], None] | None
) -> Iterator[Line | Block]:
    failed = 0
    for file in files:
        try:
            yield from _lines(file, max_bytes, _OBJECT_CHUNK)
            failed = 0
        except StoreError as error:
            _miss(f"{file.name} cannot be read: {error}", where, missed)
            failed += 1
            if failed == _GIVE_UP:
                return


def _miss(reason: str, where: str, missed: Callable[[str], None] | None) -> None:
    if missed is None:
        raise SourceError(f"{where}: {reason}. Check the bucket, the endpoint and the credentials.")
    missed(reason)


def _lines(file: Stored, max_bytes: int, size: int) -> Iterator[Line | Block]:
    with file.open() as stream:
        if is_table(file.name, stream):
            yield from table_lines(file.name, stream, max_bytes)
        else:
            yield from _blocks(file.name, unpacked(_chunks(stream, size)), max_bytes)


def _chunks(stream: Bytes, size: int) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without a byte order mark at the beginning, however small the first ones are."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_BOM):
            break
    yield head.removeprefix(_BOM)
    yield from chunks


def _blocks(name: str, chunks: Iterator[bytes], max_bytes: int) -> Iterator[Line | Block]:
    chunks = _without_mark(chunks)
    number = 0
    held: list[bytes] = []
    size = 0
    problem: str | None = None
    try:
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size < min(_BLOCK_BYTES, max_bytes):
                continue
            if size > max_bytes:  # so may a line be
                rest = chain([b"".join(held)], chunks)
                held = []
                yield from _split(name, rest, max_bytes, number)
                return
            end = chunk.rfind(b"\n")
            if end < 0:
                continue
            held[-1] = chunk[:end]
            data = b"".join(held)
            held, size = [chunk[end + 1 :]], len(chunk) - end - 1
            yield Block(name, number + 1, data)
            number += 1 + len(line_breaks(data))
            del data, chunk
    except DamagedError as damage:
        problem = str(damage)
    data = b"".join(held)
    end = data.rfind(b"\n") + 1
    if problem is not None:
        if end:
            yield Block(name, number + 1, data[: end - 1])
        number += data.count(b"\n", 0, end)
        # One reject says both that a line is cut and that nothing after it could be read.
        yield Line(name, number + 1, data[end:][:_HEAD_BYTES], problem)
    elif data:
        yield Block(name, number + 1, data)


def _split(name: str, chunks: Iterator[bytes], max_bytes: int, number: int) -> Iterator[Line]:
    held: list[bytes] = []
    size = 0
    problem: str | None = None
    try:
        for chunk in chunks:
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
    except DamagedError as damage:
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
