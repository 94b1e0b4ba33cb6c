"""Objects in S3 and in stores that speak its language: which match, and their bytes. Their content is
not known here."""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from evalkit.errors import ConfigError
from evalkit.ingest.doors.places import Bytes, Stored, StoreError

__all__ = ["SCHEME", "ahead", "host_of", "matching"]

SCHEME = "s3://"
_GLOB = re.compile(r"[*?\[]")
_WILDCARD = re.compile(r"([*?]|\[!?\]?[^\]]*\])")
_NOT_HIDDEN = r"(?!\.)"
_REQUEST_ID = re.compile(r"\s*\(Request ID: [^)]*\)")
_ATTEMPTS = 5
#: Objects up to this size are fetched whole, several at a time: logs of one call an object are
#: thousands of small ones, each a round trip.
_SMALL = 4 * 1024 * 1024
_AHEAD = 8
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def matching(path: str, endpoint: str | None, ca_file: Path | None, where: str) -> list[Stored]:
    """The objects that `s3://bucket/key`, `s3://bucket/prefix` or a glob means, sorted by name.

    Everything below the glob's fixed part is listed once, in one pass. Credentials, region and,
    without `endpoint`, its address come from where AWS tools take them: the environment, the shared
    configuration files, the machine's role.

    Args:
        path: as in the configuration. A prefix is a folder: hidden objects and such that begin with
            `_` are left out below it.
        endpoint: `https://host:port` of an S3-compatible store.
        ca_file: certificates to trust instead of the system's.
        where: which source is meant, for messages.

    Raises:
        ConfigError: no bucket is named, or the endpoint is no address.
        StoreError: the store does not answer, or refuses.
    """
    full = path.removeprefix(SCHEME).rstrip("/")
    bucket, _, key = full.partition("/")
    if not bucket or _GLOB.search(bucket):
        raise ConfigError(f"{where} path: {path!r} names no bucket. Write s3://bucket/prefix.")
    store = _store(bucket, endpoint, ca_file, where)
    with _answers():
        info = store.get_file_info(full)
        if key and info.type == fs.FileType.File:
            return [_stored(store, info)]
        fixed = full
        wanted = None
        if info.type == fs.FileType.NotFound:
            segments = key.split("/")
            first = next((i for i, one in enumerate(segments) if _GLOB.search(one)), None)
            if first is None:
                return []
            fixed = "/".join([bucket, *segments[:first]])
            wanted = _pattern(segments[first:])
        selector = fs.FileSelector(fixed, recursive=True, allow_not_found=True)
        found = store.get_file_info(selector)
    kept = [one for one in found if one.is_file and _is_meant(one.path[len(fixed) + 1 :], wanted)]
    return [_stored(store, one) for one in sorted(kept, key=lambda one: str(one.path))]


def ahead(files: Iterable[Stored]) -> Iterator[Stored]:
    """The same files in the same order, small ones fetched before their turn comes."""
    with ThreadPoolExecutor(_AHEAD, "evalkit-s3") as pool:
        waiting: deque[Stored] = deque()
        for file in files:
            waiting.append(_fetched(file, pool) if file.size <= _SMALL else file)
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        yield from waiting


def host_of(path: str, endpoint: str | None, where: str) -> str:
    """The host that is asked for a path, as `host` or `host:port`; AWS's regional hosts go by
    `s3.amazonaws.com`."""
    address = _address(endpoint, where)
    return address[1] if address is not None else "s3.amazonaws.com"


def _store(bucket: str, endpoint: str | None, ca_file: Path | None, where: str) -> Any:
    options: dict[str, Any] = {
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
    }
    if ca_file is not None:
        if not ca_file.is_file():
            raise ConfigError(f"{where} ca_file: there is no file {ca_file}.")
        options["tls_ca_file_path"] = str(ca_file)
    region = next((os.environ[name] for name in _REGIONS if os.environ.get(name)), None)
    address = _address(endpoint, where)
    if address is not None:
        options["scheme"], options["endpoint_override"] = address
        options["region"] = region or "us-east-1"  # such stores do not ask
    elif region is not None:
        options["region"] = region
    else:
        with _answers():
            options["region"] = fs.resolve_s3_region(bucket)
    return fs.S3FileSystem(**options)


def _address(endpoint: str | None, where: str) -> tuple[str, str] | None:
    """Scheme and host of the endpoint of the configuration, else of that of the environment."""
    given = endpoint
    if given is None:
        given = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    if given is None:
        return None
    parts = urlsplit(given if "://" in given else f"https://{given}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigError(
            f"{where} endpoint: {given!r} is no address of a store. Write https://host:port."
        )
    if parts.username is not None:
        raise ConfigError(
            f"{where} endpoint: credentials never stand in an address. "
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment."
        )
    return parts.scheme, parts.netloc


def _pattern(segments: list[str]) -> re.Pattern[str]:
    """The segments of a glob as one expression, with the meaning that they have on disk."""
    *folders, name = segments
    parts = [
        rf"(?:{_NOT_HIDDEN}[^/]+/)*" if folder == "**" else _segment(folder) + "/"
        for folder in folders
    ]
    # As the last segment `**` is any object at any depth.
    parts.append(rf"(?:{_NOT_HIDDEN}[^/]+/)*{_NOT_HIDDEN}[^/]+" if name == "**" else _segment(name))
    return re.compile("".join(parts), re.DOTALL)


def _segment(glob: str) -> str:
    """`*` and `?` end at a slash, and no wildcard stands for a dot at the beginning."""
    found = []
    for part in _WILDCARD.split(glob):
        if part == "*":
            found.append("[^/]*")
        elif part == "?":
            found.append("[^/]")
        elif len(part) > 2 and part.startswith("[") and part.endswith("]"):
            inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            found.append("[^/" + inner[1:] + "]" if inner.startswith("!") else f"[{inner}]")
        else:
            found.append(re.escape(part))
    return ("" if glob.startswith(".") else _NOT_HIDDEN) + "".join(found)


def _is_meant(name: str, wanted: re.Pattern[str] | None) -> bool:
    if wanted is not None:
        return wanted.fullmatch(name) is not None
    return not name.rpartition("/")[2].startswith((".", "_"))


def _stored(store: Any, info: Any) -> Stored:
    name = SCHEME + info.path
    modified = 0.0 if info.mtime is None else info.mtime.timestamp()
    return Stored(name, name, modified, int(info.size or 0), partial(_opened, store, info.path))


def _opened(store: Any, path: str) -> Bytes:
    with _answers():
        return _Object(store.open_input_file(path))


def _fetched(file: Stored, pool: ThreadPoolExecutor) -> Stored:
    def whole() -> bytes:
        with file.open() as stream:
            return stream.read()

    future = pool.submit(whole)
    return replace(file, open=lambda: io.BytesIO(future.result()))


class _Object(io.RawIOBase):
    """An object as a file; each read is one request for so much of it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        with _answers():
            data: bytes = self._file.read(None if size < 0 else size)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        place: int = self._file.seek(offset, whence)
        return place

    def tell(self) -> int:
        place: int = self._file.tell()
        return place

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise StoreError(_said(error)) from error


def _said(error: Exception) -> str:
    """What the store said, on one line."""
    return " ".join(_REQUEST_ID.sub("", str(error)).split())[:300]
