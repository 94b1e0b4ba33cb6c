"""Langfuse's manifests: which files an export has, and how many rows each. What a row says is not known
here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import orjson

from evalkit.ingest.contract import Line, Reject, Window
from evalkit.ingest.fields import Fields
from evalkit.ingest.records import excerpt

__all__ = ["checked"]

_MANIFESTS = "/manifests/"
_LONGEST_MANIFEST = 4 * 1024 * 1024


def checked(lines: Iterable[Line], window: Window) -> Iterator[Line | Reject]:
    """The lines of all files but manifests, whose row counts are compared with what was read. A file
    that a manifest promises and that has not come is overdue: a reject, until it comes."""
    read: Counter[str] = Counter()
    manifests: dict[str, list[Line]] = {}
    for line in lines:
        if _MANIFESTS in f"/{line.file}" and line.file.endswith(".json"):
            held = manifests.setdefault(line.file, [])
            if sum(len(one.data) for one in held) <= _LONGEST_MANIFEST:
                held.append(line)
            continue
        read[_key(line.file)] += 1
        yield line
    for file, held in manifests.items():
        yield from _wrong(file, b"\n".join(line.data for line in held), read, window)


def _wrong(file: str, data: bytes, read: Counter[str], window: Window) -> Iterator[Reject]:
    try:
        manifest = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        yield Reject(file, 1, f"a manifest that is not valid JSON: {error}", excerpt(data))
        return
    fields = Fields(manifest)
    near = fields.time("maxTimestamp")
    if near is not None and not window.holds(near):
        return
    for entry in fields.items("files") or []:
        one = Fields(entry)
        key, count = one.text("key"), one.count("rowCount")
        if key is None:
            continue
        found = read[_key(key)]
        if not found and count:
            reason = f"{key}: overdue: the manifest counts {count:,} rows, and none has come"
            yield Reject(file, 1, reason, excerpt(orjson.dumps(entry)), near)
        elif count is not None and found != count:
            reason = f"{key}: the manifest counts {count:,} rows, {found:,} were read"
            yield Reject(file, 1, reason, excerpt(orjson.dumps(entry)), near)


def _key(path: str) -> str:
    """Project, table and name of a file: what a manifest's key and a local copy have in common."""
    return "/".join(path.split("/")[-3:])
