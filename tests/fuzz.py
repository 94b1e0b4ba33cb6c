"""Feeds every log format with golden samples that were damaged in every way that we could think of.

    python -m tests.fuzz --minutes 10 --seed 1 [--format NAME]

Hypothesis draws the damage and makes a failing case small. Each is written as a folder of files below
`tests/ingest/data/found`, which `tests/ingest/test_found.py` reads again for ever."""

from __future__ import annotations

import argparse
import codecs
import gzip
import hashlib
import json
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import Line, Opener, Parsed, Source
from evalkit.ingest.doors.files import lines
from evalkit.ingest.rows import table_of
from evalkit.registry import find, names
from evalkit.schema import INTERACTIONS
from tests.ingest.golden import ALWAYS, DATA
from tests.ingest.story import ROW, source_settings

FOUND = DATA / "found"
PACKAGE, GROUP = "evalkit.ingest.sources", "evalkit.sources"
#: What the samples of a format are called where they are not called after it.
_CALLED = {"openai_log": "openai"}
#: How a format is configured where nothing is not enough.
_CONFIGURED: dict[str, dict[str, Any]] = {
    "table": {"columns": {"query": "question", "response": "answer", "started_at": "asked_at"}}
}
#: One record, one row or one reject: nothing may be lost, nothing doubled.
_EXACT = frozenset({"jsonl"})
#: One record, at least one row or reject.
_LINEWISE = frozenset({"jsonl", "litellm", "sagemaker", "vertex"})
#: What a reject says where the reading of a record raised what it was not meant to. The night goes on
#: without it; here it is a case to mend.
_SURPRISE = re.compile(r"(cannot be read as|cannot be folded).*\(\w+\)$")
_SLOW_SECONDS = 5.0
_CASES = 200
_UTC = ZoneInfo("UTC")

_DEEP: Any = "deep"
for _ in range(150):
    _DEEP = [_DEEP]
HOSTILE = [
    "", " ", "\x00", "\ud800", "null", "NaN", "true", "[]", "{}", "[", '{"a": ', '"', "data:",
    "data: {}\n\ndata: [DONE]\n", "2026-11-22T02:14:05.120Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999+14:00", "9" * 400, "1e999", "-1", "0.1", "x" * 20_000, "🙂" * 50,
    "שלום", "\u202eabc", "a.b.c", "../../etc/passwd", "' OR 1=1 --", "<script>", "=cmd()",
    0, -1, 1, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 0.1, -0.0, 1e308, float("nan"),
    float("inf"), True, False, None, [], {}, [[]], [{}], [None], {"": None}, _DEEP,
    1795313645, 1795313645120, 1795313645120000000,
]  # fmt: skip
VALUES = st.sampled_from(HOSTILE) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]


class BrokenError(AssertionError):
    """A source gave something that its contract forbids."""


# ── reading


def check(name: str, folder: Path, thorough: bool = True) -> None:
    """Read the files of a folder as a format, and hold the result against the contract.

    Raises:
        Exception: whatever is wrong.
    """
    source = find(PACKAGE, GROUP, Source, name)[name]
    begun = time.monotonic()
    rows, rejects, received = _read(source, folder)
    table = table_of(rows, "s", _UTC) if rows else INTERACTIONS.empty()
    took = time.monotonic() - begun
    if took > _SLOW_SECONDS:
        raise BrokenError(f"took {took:.1f} s")
    table.validate(full=True)
    if not table.schema.equals(INTERACTIONS.schema):
        raise BrokenError("another schema")
    for reject in rejects:
        if not reject.reason or "\x00" in reject.raw or reject.line < 1:
            raise BrokenError(f"a reject that says nothing: {reject}")
        (reject.reason + reject.raw).encode()
        if _SURPRISE.search(reject.reason):
            raise BrokenError(f"a value nobody thought of: {reject.reason}")
    if name in _EXACT and len(rows) + len(rejects) != received:
        raise BrokenError(f"{received} received, {len(rows)} rows and {len(rejects)} rejects")
    if name in _LINEWISE and len(rows) + len(rejects) < received:
        raise BrokenError(f"{received} received, {len(rows)} rows and {len(rejects)} rejects")
    if thorough:
        explain = rows[-1]["source_id"] if rows else None
        again = _read(source, folder, explain)
        # By their texts: a value that is not a number is not equal to itself.
        if repr(again) != repr((rows, rejects, received)):
            raise BrokenError("reading twice gives different results")


def _read(
    source: Source, folder: Path, explain: str | None = None
) -> tuple[list[Any], list[Any], int]:
    received = 0

    def counted(_: Any) -> Iterator[Line]:
        nonlocal received
        for line in lines("*", folder, "fuzz", required=False):
            received += 1
            yield line

    opener = Opener(counted, "fuzz", explain)
    configured = source_settings(format=source.name, **_CONFIGURED.get(source.name, {}))
    steps: list[Parsed] = list(source.open(configured, ALWAYS, opener))
    rows = [row for step in steps for row in step.rows]
    return rows, [reject for step in steps for reject in step.rejects], received


# ── samples and damage


def samples_of(name: str) -> list[dict[str, bytes]]:
    """The golden samples of a format: each a set of files that belong together."""
    called = _CALLED.get(name, name)
    found = {
        path.name: path.read_bytes()
        for path in sorted(DATA.glob(f"{called}[._]*"))
        if path.suffix in (".json", ".jsonl", ".csv")
    }
    if name == "jsonl":
        found = {"jsonl.jsonl": json.dumps(ROW).encode()}
    return [{file: data} for file, data in found.items()] + [found]


def damaged(draw: Draw, sample: Mapping[str, bytes]) -> dict[str, bytes]:
    """A sample with one to four kinds of damage."""
    files = dict(sample)
    for _ in range(draw(st.integers(1, 4))):
        file = draw(st.sampled_from(sorted(files)))
        kind = draw(st.integers(0, 9))
        files[file] = (
            _other_bytes(draw, files[file]) if kind == 0
            else _other_lines(draw, files[file]) if kind == 1
            else _other_record(draw, files[file])
        )  # fmt: skip
    return files


def _other_record(draw: Draw, data: bytes) -> bytes:
    found = data.split(b"\n")
    at = draw(st.sampled_from([i for i, one in enumerate(found) if one.strip()] or [0]))
    try:
        record = json.loads(found[at])
    except (ValueError, RecursionError):
        return _other_bytes(draw, data)
    for _ in range(draw(st.integers(1, 3))):
        record = _changed(draw, record)
    try:
        found[at] = json.dumps(record).encode()
    except (ValueError, RecursionError):
        return data
    if draw(st.integers(0, 9)) == 0:  # a key twice
        found[at] = found[at].replace(b'": ', b'": null, "id": ', 1)
    return b"\n".join(found)


def _changed(draw: Draw, record: Any) -> Any:
    """The record with one value changed; JSON in strings is opened on the way."""
    paths = list(_paths(record))
    path = draw(st.sampled_from(paths))
    what = draw(st.integers(0, 9))
    if what <= 3 or not path:
        return _with(record, path, draw(VALUES))
    value = _at(record, path)
    if what == 4:
        return _with(record, path, _at(record, draw(st.sampled_from(paths))))
    if what == 5:
        return _with(record, path, draw(st.sampled_from([[value], {"x": value}, [value, value]])))
    if what == 6:
        return _without(record, path)
    if what == 7:
        return _with(record, path, json.dumps(value))
    if what == 8 and isinstance(value, str):
        return _with(record, path, value[: draw(st.integers(0, max(0, len(value) - 1)))])
    new = draw(st.sampled_from([str(one[-1]) for one in paths if one]) | st.text(max_size=8))
    above = _at(record, path[:-1])
    if isinstance(above, dict):
        return _with(_without(record, path), (*path[:-1], new), value)
    return _with(record, path, {new: value})


_JSON = object()  # a step into the JSON in a string


def _paths(value: Any, path: tuple[Any, ...] = (), depth: int = 40) -> Iterator[tuple[Any, ...]]:
    yield path
    if depth == 0:
        return
    if isinstance(value, str) and value[:1] in "{[" and value:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
        path = (*path, _JSON)
    if isinstance(value, dict):
        for key in value:
            yield from _paths(value[key], (*path, key), depth - 1)
    elif isinstance(value, list):
        for index in range(min(len(value), 20)):
            yield from _paths(value[index], (*path, index), depth - 1)


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = json.loads(value) if key is _JSON else value[key]
    return value


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, rest = path[0], path[1:]
    if key is _JSON:
        try:
            return json.dumps(_with(json.loads(value), rest, new))
        except (ValueError, RecursionError):
            return new
    fresh = dict(value) if isinstance(value, dict) else list(value)
    fresh[key] = _with(value[key], rest, new) if rest else new
    return fresh


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    key, rest = path[0], path[1:]
    if key is _JSON:
        return json.dumps(_without(json.loads(value), rest)) if rest else value
    fresh = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        fresh[key] = _without(value[key], rest)
    else:
        del fresh[key]
    return fresh


def _other_lines(draw: Draw, data: bytes) -> bytes:
    found = [line for line in data.split(b"\n") if line.strip()] or [b""]
    at = draw(st.integers(0, len(found) - 1))
    what = draw(st.integers(0, 7))
    if what == 0:
        found.insert(at, found[at])
    elif what == 1:
        del found[at]
    elif what == 2:
        found.reverse()
    elif what == 3:
        found[at] = b"[" + found[at] + b"," + found[0] + b"]"
    elif what == 4:
        found = [b"".join(found)]
    elif what == 5:
        found.insert(at, draw(st.binary(max_size=30)).replace(b"\n", b" "))
    else:
        try:
            found[at] = json.dumps(json.loads(found[at]), indent=1).encode()
        except (ValueError, RecursionError):
            found[at] = b"{\n" + found[at] + b"\n}"
    return b"\n".join(found) + b"\n"


def _other_bytes(draw: Draw, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    what = draw(st.integers(0, 8))
    if what == 0:
        return data[:at]
    if what == 1:
        return data[at:]
    if what == 2:
        return data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
    if what == 3:
        return data[:at] + draw(st.binary(min_size=1, max_size=1)) + data[at + 1 :]
    if what == 4:
        return codecs.BOM_UTF8 + data
    if what == 5:
        return data.decode("utf-8", "replace").encode(draw(st.sampled_from(["utf-16", "utf-32"])))
    if what == 6:
        return gzip.compress(data, 1)[: draw(st.integers(1, 10_000))]
    if what == 7:
        return data.replace(b"\n", b"\r\n")
    return data.replace(b'"', b"'")


# ── the run


def fuzz(name: str, number: int, minutes: float, known: set[str]) -> tuple[int, list[Path]]:
    """Damage samples of one format for some time.

    Returns:
        How many cases were read, and the folders of those that failed.
    """
    samples = samples_of(name)
    if not any(sample for sample in samples):
        raise SystemExit(f"no samples of {name} in {DATA}")
    samples = [sample for sample in samples if sample]
    find(PACKAGE, GROUP, Source, name)  # what cannot be loaded is no finding
    end = time.monotonic() + minutes * 60
    count = 0
    found: list[Path] = []
    failing: dict[str, bytes] = {}

    def one(data: st.DataObject) -> None:
        nonlocal count, failing
        count += 1
        files = damaged(data.draw, data.draw(st.sampled_from(samples)))
        with tempfile.TemporaryDirectory(prefix="evalkit-fuzz-") as folder:
            for file, content in files.items():
                Path(folder, file).write_bytes(content)
            try:
                check(name, Path(folder), thorough=count % 8 == 0)
            except Exception as error:
                if _signature(name, error) in known:
                    return
                failing = files
                raise

    profile = settings(
        max_examples=_CASES,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() < end:
        number += 1
        try:
            seed(number)(profile(given(st.data())(one)))()
        except Exception as error:  # noqa: BLE001  any is a finding
            known.add(_signature(name, error))
            found.append(_kept(name, failing))
            print(f"{name}: {found[-1].name}\n{traceback.format_exc(limit=-4)}", flush=True)
    return count, found


def _signature(name: str, error: BaseException) -> str:
    ours = [
        f"{Path(one.filename).name}:{one.name}"
        for one in traceback.extract_tb(error.__traceback__)
        if "evalkit" in one.filename
    ]
    where = ours[-1] if ours else re.sub(r"\d+", "N", str(error))[-60:]
    return f"{name} {type(error).__name__} {where}"


def _kept(name: str, files: Mapping[str, bytes]) -> Path:
    digest = hashlib.sha256(b"\x00".join(files[file] for file in sorted(files))).hexdigest()[:10]
    folder = FOUND / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


def main(arguments: list[str]) -> int:
    """Fuzz each format for its part of the time; the exit code is 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for all formats together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", action="append", help="only this one; may be given twice")
    asked = parser.parse_args(arguments)
    chosen = asked.format or sorted(names(PACKAGE, GROUP))
    share = asked.minutes / len(chosen)
    known: set[str] = set()
    failed: Counter[str] = Counter()
    for place, name in enumerate(chosen):
        count, found = fuzz(name, asked.seed * 1_000_003 + place * 100_003, share, known)
        failed[name] = len(found)
        print(f"{name:12} {count:8,} cases in {share:.1f} min, {len(found)} failed", flush=True)
    return 1 if failed.total() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
