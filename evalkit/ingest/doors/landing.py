"""What came over a network, as it came, in whole windows of time. Which windows are wanted, and how
they are fetched, is not known here.

A window is one file, `FOLDER/2026-11-22/20261122T0200--20261122T0300.jsonl.zst`: JSON lines, packed,
behind a frame that says when they were fetched (readers of zstd skip it). It is written beside its
place and moved there when all of it is on disk, so a window is whole or absent, whatever is killed and
however many write at once. Fetched again, it replaces its file. Windows may overlap, after a split
say: a file whose time newer files cover together is no longer read, and goes a day later.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from evalkit.ingest.contract import Window

__all__ = ["Landed", "Landing", "without"]

_NAME = re.compile(r"(\d{8}T\d{4})--(\d{8}T\d{4})\.jsonl\.zst")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MINUTE = "%Y%m%dT%H%M"
#: A zstd frame that is skipped: its mark, its length, when the window was fetched (Unix µs).
_HEAD = struct.Struct("<IIq")
_SKIPPED = 0x184D2A50
_BESIDE = ".writing-"
#: What nobody reads any more stays so long, for a run that began to read before.
_LEFT_ALONE = timedelta(days=1)
_LONGEST = timedelta(days=1)
_WRITE_BYTES = 1 << 20


@dataclass(frozen=True)
class Landed:
    """One window that was fetched whole, and when."""

    window: Window
    fetched: datetime
    path: Path


class Landing:
    """The windows of one source.

    Args:
        folder: the source's own; made when the first window comes.
        lasting: how long after its end a window may still change: what was fetched sooner than that
            is to be fetched again.
    """

    def __init__(self, folder: Path, lasting: timedelta = timedelta(minutes=15)) -> None:
        self.folder = folder
        self._lasting = lasting

    def missing(self, window: Window) -> list[Window]:
        """The parts of a window that no file covers, oldest first."""
        gaps = [window]
        for landed in self.files(window):
            gaps = [rest for gap in gaps for rest in without(gap, landed.window)]
        return gaps

    def unsettled(self, window: Window) -> list[Landed]:
        """The landed windows that touch `window` and may have changed since, oldest first."""
        return [
            landed
            for landed in self.files(window)
            if landed.fetched < landed.window.end + self._lasting
        ]

    def files(self, window: Window) -> list[Landed]:
        """The files that hold what is known of a window, in the order of their times. They may hold
        records before and after it too, and where they overlap some twice."""
        found = [landed for landed, read in self._read(window) if read]
        return sorted(found, key=lambda landed: (landed.window.start, landed.window.end))

    def all(self) -> list[Landed]:
        """Everything that is there, in the order of times."""
        known = sorted(day.name for day in self.folder.iterdir()) if self.folder.is_dir() else []
        named = [name for name in known if _DAY.fullmatch(name)]
        if not named:
            return []
        first, last = (
            datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC)
            for name in (named[0], named[-1])
        )
        return self.files(Window(first, last + 2 * _LONGEST))

    def store(self, window: Window, lines: Iterable[bytes], fetched: datetime) -> int:
        """Keep a whole window, in place of what was kept of it before.

        What the vendor no longer has is no longer kept either: the newest fetch is its word. (Rows
        that are in the lake already stay there.)

        Args:
            window: whole minutes of UTC, at most a day.
            lines: each one or more JSON objects, every one on a line that ends with a line break.
                An error of theirs passes, and leaves nothing behind.
            fetched: when the first of them was asked for.

        Returns:
            How many lines there are.
        """
        target = self.folder / f"{window.start:%Y-%m-%d}" / _name(window)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o700)  # noqa: PTH101 - traffic as it came: for its owner only
        beside = target.with_name(f"{_BESIDE}{uuid.uuid4().hex}")
        try:
            count = _write(beside, lines, fetched)
            os.replace(beside, target)  # noqa: PTH105 - one step, as the tests that kill it count them
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        _sync(target.parent)
        return count

    def tidy(self, window: Window, now: datetime) -> None:
        """Remove files around a window that nobody reads any more: of runs that were killed, and
        such that newer ones cover. What cannot be removed stays."""
        old = (now - _LEFT_ALONE).timestamp()
        unread = [landed.path for landed, read in self._read(window) if not read]
        for day in self._days(window):
            unread += day.glob(f"{_BESIDE}*")
        for path in unread:
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < old:
                    path.unlink()

    def forget(self, before: datetime) -> None:
        """Remove windows of days that were over before a time. What cannot be removed stays."""
        if not self.folder.is_dir():
            return
        first = (
            f"{before.astimezone(UTC) - _LONGEST:%Y-%m-%d}"  # a window may reach into the next day
        )
        for day in self.folder.iterdir():
            if not _DAY.fullmatch(day.name) or day.name >= first:
                continue
            for path in day.iterdir():
                if _NAME.fullmatch(path.name) or path.name.startswith(_BESIDE):
                    with contextlib.suppress(OSError):
                        path.unlink()
            with contextlib.suppress(OSError):  # somebody else's files are none of ours
                day.rmdir()

    def _read(self, window: Window) -> list[tuple[Landed, bool]]:
        """The files that touch a window, and whether each holds anything that newer ones do not."""
        around = Window(window.start - _LONGEST, window.end + _LONGEST)
        landed = [one for day in self._days(around) for one in _landed(day)]
        found = []
        newer: list[Window] = []  # what is covered, in parts that do not touch
        for one in sorted(landed, key=lambda one: (one.fetched, one.window.start), reverse=True):
            left = [one.window]
            for other in newer:
                left = [rest for part in left for rest in without(part, other)]
            if left:
                newer = _joined(newer, one.window)
            if one.window.start < window.end and window.start < one.window.end:
                found.append((one, bool(left)))
        return found

    def _days(self, window: Window) -> Iterator[Path]:
        """The folders in which files that touch a window stand."""
        first, last = f"{window.start - _LONGEST:%Y-%m-%d}", f"{window.end:%Y-%m-%d}"
        if self.folder.is_dir():
            for day in sorted(self.folder.iterdir()):
                if first <= day.name <= last and _DAY.fullmatch(day.name):
                    yield day


def without(window: Window, other: Window) -> list[Window]:
    """What is left of a window when another is taken out of it: none, one or two parts."""
    if other.end <= window.start or window.end <= other.start:
        return [window]
    parts = [Window(window.start, other.start), Window(other.end, window.end)]
    return [part for part in parts if part.start < part.end]


def _joined(apart: list[Window], window: Window) -> list[Window]:
    """Windows that do not touch, with one more."""
    start, end = window.start, window.end
    others = []
    for other in apart:
        if other.end < start or end < other.start:
            others.append(other)
        else:
            start, end = min(start, other.start), max(end, other.end)
    return [*others, Window(start, end)]


def _name(window: Window) -> str:
    start, end = (time.astimezone(UTC) for time in (window.start, window.end))
    if any(time.second or time.microsecond for time in (start, end)):
        raise ValueError(f"a window of whole minutes, not {start} to {end}")
    if not start < end <= start + _LONGEST:
        raise ValueError(f"a window of at most a day, not {start} to {end}")
    return f"{start:{_MINUTE}}--{end:{_MINUTE}}.jsonl.zst"


def _landed(day: Path) -> Iterator[Landed]:
    for path in sorted(day.iterdir()):
        named = _NAME.fullmatch(path.name)
        if named is None:
            continue
        try:
            with path.open("rb") as stream:
                head = stream.read(_HEAD.size)
        except FileNotFoundError:  # another run has just tidied it away
            continue
        if len(head) < _HEAD.size or not head.startswith(_HEAD.pack(_SKIPPED, 8, 0)[:8]):
            continue  # not ours: as if it were not there
        start, end = (
            datetime.strptime(text, _MINUTE).replace(tzinfo=UTC) for text in named.groups()
        )
        micros = _HEAD.unpack(head)[2]
        fetched = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        yield Landed(Window(start, end), fetched, path)


def _write(path: Path, lines: Iterable[bytes], fetched: datetime) -> int:
    micros = (fetched - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    count = 0
    with path.open("xb") as stream:
        os.chmod(path, 0o600)  # noqa: PTH101 - traffic as it came: for its owner only
        stream.write(_HEAD.pack(_SKIPPED, 8, micros))
        with pa.CompressedOutputStream(pa.PythonFile(stream, "w"), "zstd") as packed:
            held: list[bytes] = []
            size = 0
            for chunk in lines:
                count += chunk.count(b"\n")
                held.append(chunk)
                size += len(chunk)
                if size >= _WRITE_BYTES:
                    packed.write(b"".join(held))
                    held, size = [], 0
            packed.write(b"".join(held))
            packed.flush()
            packed.close()
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return count


def _sync(folder: Path) -> None:
    """Make a rename last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
