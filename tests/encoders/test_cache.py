"""The cache may be lost, damaged, shared and killed; a night never fails because of it, and never
gets a wrong vector."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evalkit.encoders.cache import VectorCache

DIM = 4


def vector(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


def text(i: int) -> bytes:
    return f"text {i}".encode()


def filled(path: Path, n: int, space: str = "a", **more: int) -> VectorCache:
    cache = VectorCache(path, space, DIM, **more)
    cache.put({text(i): vector(i) for i in range(n)})
    return cache


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.binary(max_size=20), st.integers(0, 1000), max_size=20))
def test_what_was_put_comes_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, given_: dict[bytes, int]
) -> None:
    path = tmp_path_factory.mktemp("cache") / "c.sqlite"
    first = VectorCache(path, "a", DIM)
    first.put({key: vector(seed) for key, seed in given_.items()})
    first.close()
    again = VectorCache(path, "a", DIM)
    keys = [*given_, b"never put there, too long"]
    found = again.get(keys)
    assert sorted(found) == list(range(len(given_)))
    for i, key in enumerate(given_):
        assert found[i].tobytes() == vector(given_[key]).tobytes()
    again.close()


def test_another_encoder_never_sees_it(tmp_path: Path) -> None:
    filled(tmp_path / "c.sqlite", 3).close()
    assert VectorCache(tmp_path / "c.sqlite", "b", DIM).get([text(0)]) == {}


def test_it_stays_bounded_and_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    limit = 200_000
    path = tmp_path / "c.sqlite"
    cache = filled(path, 500, max_bytes=limit)
    for night in range(1, 12):
        cache.close()
        cache = VectorCache(path, "a", DIM, limit)
        assert 0 in cache.get([text(0)])  # used every night
        cache.put({text(night * 1000 + i): vector(i) for i in range(200)})
    assert cache.bytes_used <= limit
    assert set(cache.get([text(0), text(11_000)])) == {0, 1}
    assert cache.get([text(1)]) == {}  # used in the first night only


@pytest.mark.parametrize(
    "junk", [b"", b"not a database, but quite long " * 200, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_made_anew(
    tmp_path: Path, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(junk)
    cache = filled(path, 2)
    assert set(cache.get([text(0), text(1)])) == {0, 1}
    assert ("made anew" in caplog.text) == bool(junk)


def test_damage_while_it_is_open_is_a_miss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.sqlite"
    filled(path, 2000).close()
    cache = VectorCache(path, "a", DIM)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    keys = [text(i) for i in range(2000)]
    for i, found in cache.get(keys).items():
        assert found.tobytes() == vector(i).tobytes()
    cache.put({text(5000): vector(5)})
    cache.put({text(5000): vector(5)})
    assert cache.get([text(5000)])[0].tobytes() == vector(5).tobytes()


def test_a_vector_with_a_flipped_bit_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    filled(path, 1).close()
    data, body = path.read_bytes(), vector(0).tobytes()
    assert data.count(body) == 1
    path.write_bytes(data.replace(body, bytes([body[0] ^ 1]) + body[1:]))
    assert VectorCache(path, "a", DIM).get([text(0)]) == {}


def test_without_a_place_for_it_everything_is_a_miss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = filled(tmp_path / "file" / "c.sqlite", 2)
    assert cache.get([text(0)]) == {}
    assert "no embedding cache" in caplog.text


WRITER = """
import sys
from pathlib import Path
from evalkit.encoders.cache import VectorCache
import numpy as np
cache = VectorCache(Path(sys.argv[1]), "a", 4)
start, rounds = int(sys.argv[2]), int(sys.argv[3])
for n in range(rounds):
    keys = [f"text {start + n * 20 + i}".encode() for i in range(20)]
    made = [np.random.default_rng(start + n * 20 + i).standard_normal(4) for i in range(20)]
    cache.put({key: value.astype(np.float32) for key, value in zip(keys, made)})
    print(n, flush=True)
"""


def test_two_runs_share_it_and_one_may_be_killed(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    doomed = subprocess.Popen([*command, "0", "100000"], stdout=subprocess.PIPE)
    other = subprocess.Popen([*command, "5000000", "30"], stdout=subprocess.DEVNULL)
    assert doomed.stdout is not None
    for _ in range(10):
        doomed.stdout.readline()
    time.sleep(0.05)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    doomed.stdout.close()
    assert other.wait(timeout=60) == 0
    cache = VectorCache(path, "a", DIM)
    ids = [*range(200), *range(5_000_000, 5_000_600)]
    found = cache.get([text(i) for i in ids])
    assert len(found) == len(ids)  # whatever was said to be written is there
    for k, i in enumerate(ids):
        assert found[k].tobytes() == vector(i).tobytes()
