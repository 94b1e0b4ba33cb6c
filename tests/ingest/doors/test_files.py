"""Lines of files: what matches, in which order, and what happens to damaged and endless ones."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import SourceError
from evalkit.ingest.contract import Line
from evalkit.ingest.doors.files import lines, matching

WHERE = "evalkit.toml: [sources.gateway] path"


def read(path: str, base: Path, **options: int) -> list[Line]:
    return list(lines(path, base, WHERE, **options))  # type: ignore[arg-type]


def test_a_glob_reads_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "logs" / "b").mkdir(parents=True)
    (tmp_path / "logs" / "2.jsonl").write_bytes(b"two\n")
    (tmp_path / "logs" / "1.jsonl").write_bytes(b"one\nuno\n")
    (tmp_path / "logs" / "b" / "3.jsonl").write_bytes(b"three")
    assert read("logs/*.jsonl", tmp_path) == [
        Line("logs/1.jsonl", 1, b"one"),
        Line("logs/1.jsonl", 2, b"uno"),
        Line("logs/2.jsonl", 1, b"two"),
    ]
    assert [line.data for line in read("logs/**/*.jsonl", tmp_path)] == [
        b"one", b"uno", b"two", b"three",
    ]  # fmt: skip


def test_a_folder_is_all_files_below_it_but_hidden_and_marker_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "deep/er/b.jsonl", ".hidden", "_SUCCESS"):
        file = tmp_path / "logs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x\n")
    assert [line.file for line in read("logs", tmp_path)] == [
        "logs/a.jsonl",
        "logs/deep/er/b.jsonl",
    ]


def test_a_name_with_glob_characters_is_first_taken_as_a_name(tmp_path: Path) -> None:
    (tmp_path / "log[1].jsonl").write_bytes(b"x\n")
    assert [file.name for file in matching("log[1].jsonl", tmp_path)] == ["log[1].jsonl"]


def test_no_match_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        read("logs/*.jsonl", tmp_path)
    assert str(error.value) == (
        "evalkit.toml: [sources.gateway] path: no file matches 'logs/*.jsonl'. "
        "Check the folder, or set required = false."
    )
    assert list(lines("logs/*.jsonl", tmp_path, WHERE, required=False)) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch(mode=0o000)
    with pytest.raises(SourceError, match=r"a\.jsonl cannot be read \(Permission denied\)"):
        read("a.jsonl", tmp_path)


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="needs a file that fails to read")
def test_a_file_that_fails_to_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/proc/self/mem cannot be read \(Input/output error\)"):
        read("/proc/self/mem", tmp_path)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty.jsonl.gz").touch()
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(b""))
    assert read("*", tmp_path) == []


def test_blank_lines_are_counted_but_not_given(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\n\xef\xbb\xbf\n \r\nx\r\n\n")
    assert [(line.number, line.data) for line in read("a", tmp_path)] == [
        (2, b"\xef\xbb\xbf"),
        (4, b"x\r"),
    ]


def test_a_byte_order_mark_at_the_beginning_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbf{"a":1}\n')
    assert read("a", tmp_path) == [Line("a", 1, b'{"a":1}')]


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b and b.strip()), max_size=20),
       st.integers(1, 5), st.booleans())  # fmt: skip
def test_gzip_members_read_like_one_file(
    tmp_path_factory: pytest.TempPathFactory, written: list[bytes], members: int, padded: bool
) -> None:
    folder = tmp_path_factory.mktemp("gz")
    text = b"".join(line + b"\n" for line in written)
    cut = max(1, len(text) // members)
    pieces = [text[i : i + cut] for i in range(0, len(text), cut)] or [b""]
    padding = b"\x00" * 7 if padded else b""
    (folder / "a.gz").write_bytes(b"".join(gzip.compress(piece) + padding for piece in pieces))
    first = [
        line.removeprefix(b"\xef\xbb\xbf") if i == 0 else line for i, line in enumerate(written)
    ]
    assert [line.data for line in read("a.gz", folder)] == [line for line in first if line.strip()]


def test_a_cut_archive_gives_what_could_be_read_and_says_where_it_ends(tmp_path: Path) -> None:
    text = b"".join(
        b'{"n":%d,"x":"%s"}\n' % (n, os.urandom(30).hex().encode()) for n in range(5000)
    )
    packed = gzip.compress(text)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    found = read("a.gz", tmp_path)
    assert len(found) > 2000
    assert all(line.problem is None for line in found[:-1])
    assert text.startswith(b"\n".join(line.data for line in found))
    assert found[-1].number == len(found)
    assert "ends too early" in str(found[-1].problem)


def test_a_damaged_archive_is_a_problem_and_no_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(5000).hex().encode()))
    packed[200] ^= 0xFF
    packed[201] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(bytes(packed))
    assert "damaged" in str(read("a.gz", tmp_path)[-1].problem)


def test_a_line_beyond_the_limit_comes_as_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 101 + b"\nshort\n" + b"y" * 100)
    found = read("a", tmp_path, max_bytes=100)
    assert [(line.number, len(line.data), line.problem) for line in found] == [
        (1, 101, "the line is longer than 100 bytes"),
        (2, 5, None),
        (3, 100, None),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_an_endless_line_is_never_held(tmp_path: Path, packed: bool) -> None:
    """200 MB without a line break, of which a gzip file is only 200 kB."""
    name = "a.gz" if packed else "a"
    with gzip.open(tmp_path / name, "wb", 1) if packed else (tmp_path / name).open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b"\nnext\n")
    tracemalloc.start()
    found = read(name, tmp_path, max_bytes=8_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line.number for line in found] == [1, 2]
    assert found[0].problem == "the line is longer than 8,000,000 bytes"
    assert len(found[0].data) == 8000
    assert peak < 24_000_000


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_split_as_python_splits_them(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, limit: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    data = b"-" + data  # neither gzip nor a byte order mark
    (folder / "a").write_bytes(data)
    want = [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    found = read("a", folder, max_bytes=limit)
    assert [(line.number, line.data) for line in found] == want
    assert [line.problem is not None for line in found] == [len(line) > limit for _, line in want]
