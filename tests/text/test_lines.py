"""Line breaks are found wherever they stand, in pieces of any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.lines import line_breaks

_PIECE = 64 * 1024


@given(st.binary(max_size=300), st.integers(0, 3))
def test_each_break_has_its_place(data: bytes, pieces: int) -> None:
    data = b"." * (pieces * _PIECE - 100) + data
    assert line_breaks(data).tolist() == [i for i in range(len(data)) if data[i : i + 1] == b"\n"]


def test_a_break_at_the_edge_of_a_piece_is_one() -> None:
    data = b"." * (_PIECE - 1) + b"\n\n" + b"."
    assert np.array_equal(line_breaks(data), [_PIECE - 1, _PIECE])


def test_nothing_has_none() -> None:
    assert line_breaks(b"").tolist() == []
