"""Packed bytes: gzip and zstd read like what they hold, whatever a writer did, and damage is told."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.ingest.doors.files import lines
from evalkit.ingest.doors.packed import PIECE, DamagedError, unpacked

WHERE = "evalkit.toml: [sources.gateway] path"
SKIPPED = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"


def zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return packed


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


@given(pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=4), size=st.integers(8, 400),
       skipped=st.booleans())  # fmt: skip
def test_frames_read_like_one_file(pieces: list[bytes], size: int, skipped: bool) -> None:
    packed = b"".join(zstd(piece) for piece in pieces)
    if skipped:
        packed = SKIPPED + packed + SKIPPED
    assert b"".join(unpacked(cut(packed, size))) == b"".join(pieces)


@given(data=st.binary(max_size=300), size=st.integers(1, 400))
def test_any_bytes_are_themselves_or_unpacked_or_damaged(data: bytes, size: int) -> None:
    for given_ in (data, gzip.compress(data)[:size], zstd(data)[:size], zstd(data)[:4] + data):
        with contextlib.suppress(DamagedError):
            found = b"".join(unpacked(cut(given_, max(8, size))))
            assert found in (given_, data) or not found


def test_a_cut_archive_gives_what_could_be_read_and_says_where_it_ends(tmp_path: Path) -> None:
    written = [b'{"n":%d}' % n for n in range(500_000)]
    packed = zstd(b"\n".join(written))
    (tmp_path / "a.zst").write_bytes(packed[: len(packed) // 2])
    found = list(lines("a.zst", tmp_path, WHERE))
    assert len(found) > 100_000
    assert [line.data for line in found[:-1]] == written[: len(found) - 1]
    assert found[-1].problem == (
        "the zstd archive ends too early: it was cut, or is still being written"
    )


def test_a_damaged_archive_is_a_problem_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(zstd(b"x\n" * 1000) + b"what is this?")
    assert "the zstd archive is damaged" in str(list(lines("a", tmp_path, WHERE))[-1].problem)


def test_a_packed_table_is_known_by_its_name_below_the_packing(tmp_path: Path) -> None:
    (tmp_path / "a.csv.zst").write_bytes(zstd(b'q,a\n"why\nnow",because\n'))
    (line,) = lines("a.csv.zst", tmp_path, WHERE)
    assert line.data == b'{"q":"why\\nnow","a":"because"}'
    (tmp_path / "b.csv.zst").write_bytes(zstd(b"q,a\n" + b"x,y\n" * 100_000)[:-20])
    assert "ends too early" in str(list(lines("b.csv.zst", tmp_path, WHERE))[-1].problem)


BOMB = """
import resource, sys
from pathlib import Path
from evalkit.ingest.doors.files import lines
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = list(lines(sys.argv[1], Path(), "x", max_bytes=8_000_000))
print(found[0].problem, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", ["bomb.zst", "bomb.csv.zst", "bomb.csv.gz"])
def test_a_bomb_is_never_held(tmp_path: Path, name: str) -> None:
    """A gigabyte without a line break, of which the archive is only some kilobytes."""
    piece = b"x" * (64 * PIECE)
    pack = zstd if name.endswith(".zst") else gzip.compress
    (tmp_path / name).write_bytes(pack(piece) * 16)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(tmp_path / name)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    problem, _, kilobytes = done.stdout.rpartition(" ")
    assert "longer than 8,000,000" in problem
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(kilobytes) * unit < 100_000_000
