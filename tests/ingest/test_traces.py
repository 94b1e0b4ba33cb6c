"""Scattered parts of traces come back whole, in memory and from disk alike."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest import traces
from evalkit.ingest.traces import Cut, Part, Traces, Whole

PARTS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "", "\x00x", "\ud800", "é" * 40]), st.binary(max_size=9)),
    max_size=20,
)


def gathered(parts: list[tuple[str, bytes]], held_bytes: int) -> list[Whole | Cut]:
    with Traces(held_bytes) as found:
        for line, (trace, data) in enumerate(parts):
            found.add(trace, Part(data, 0, line))
        return list(found.wholes())


@settings(deadline=None)
@given(PARTS)
def test_every_part_comes_back_once_in_order_also_from_disk(
    parts: list[tuple[str, bytes]],
) -> None:
    held, spilled = gathered(parts, 1 << 20), gathered(parts, 1)
    assert held == spilled
    back = [part for whole in held if isinstance(whole, Whole) for part in whole.parts]
    assert sorted(part.line for part in back) == list(range(len(parts)))
    for whole in held:
        assert isinstance(whole, Whole)
        assert [part.line for part in whole.parts] == sorted(part.line for part in whole.parts)


def test_a_trace_of_too_many_parts_is_cut_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_TRACE_PARTS", 2)
    *cut, whole = gathered([("a", b"%d" % i) for i in range(4)], 1 << 20)
    assert [one.part.line for one in cut if isinstance(one, Cut)] == [2, 3]
    assert isinstance(whole, Whole)
    assert len(whole.parts) == 2


def test_a_trace_of_too_many_bytes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_TRACE_BYTES", 10)
    found = gathered([("a", b"x" * 8), ("a", b"y" * 8), ("a", b"z" * 2)], 1 << 20)
    assert [one.part.data for one in found if isinstance(one, Cut)] == [b"y" * 8]


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Traces(1) as found:
        found.add("a", Part(b"data", 0, 1))
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
