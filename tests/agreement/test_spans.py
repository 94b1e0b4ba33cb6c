"""Marked against labelled spans, in characters, words and responses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.agreement.spans import UNITS, count_spans

NONE = (None, None)
SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda ends: (min(ends), max(ends))),
    max_size=4,
)
ROWS = st.lists(
    st.tuples(st.text("ab .-é", max_size=12), st.none() | SPANS, SPANS), min_size=1, max_size=6
)


def test_by_hand() -> None:
    # "grew 12 %": the words are grew, 12 and %.
    counts = count_spans(["It grew 12 %."], [[(8, 12)]], [[(3, 9)]])
    assert counts.both.tolist() == [[1, 1, 1]]
    assert counts.marked.tolist() == [[6, 2, 1]]
    assert counts.labelled.tolist() == [[4, 2, 1]]
    assert counts.size.tolist() == [[13, 5, 1]]
    figure = counts.figure(0, NONE)
    assert (figure.precision, figure.recall) == (pytest.approx(1 / 6), pytest.approx(1 / 4))
    assert figure.f1 == pytest.approx(2 / 10)


def test_where_nobody_looked_nothing_is_counted() -> None:
    counts = count_spans(["abc", None], [None, [(0, 3)]], [[(0, 3)], [(0, 3)]])
    assert counts.known.tolist() == [False, True]
    # The second has no response: there is nothing to be marked in it.
    assert counts.marked.tolist() == counts.labelled.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert counts.figure(0, NONE).f1 is None


@settings(deadline=None)
@given(ROWS)
def test_bounds(
    rows: list[tuple[str, list[tuple[int, int]] | None, list[tuple[int, int]]]],
) -> None:
    responses, labelled, marked = zip(*rows, strict=True)
    counts = count_spans(responses, labelled, marked)
    for unit in range(len(UNITS)):
        figure = counts.figure(unit, NONE)
        assert (counts.both <= np.minimum(counts.marked, counts.labelled)).all()
        assert (np.maximum(counts.marked, counts.labelled) <= counts.size).all()
        if figure.f1 is None:
            continue
        assert 0 <= figure.f1 <= 1
        if figure.precision is not None and figure.recall is not None:
            ends = sorted((figure.precision, figure.recall))
            assert ends[0] - 1e-9 <= figure.f1 <= ends[1] + 1e-9
        weighted = counts.f1_by_weight(unit)(np.full(len(rows), 2.0))
        assert weighted == pytest.approx(figure.f1)


@settings(deadline=None)
@given(ROWS)
def test_marking_what_is_labelled_is_perfect_and_everything_is_the_floor(
    rows: list[tuple[str, list[tuple[int, int]] | None, list[tuple[int, int]]]],
) -> None:
    responses = [text for text, _, _ in rows]
    labelled = [spans for _, spans, _ in rows]
    same = count_spans(responses, labelled, [spans or [] for spans in labelled])
    everything = count_spans(responses, labelled, [[(0, len(text))] for text in responses])
    for unit in range(len(UNITS)):
        assert same.figure(unit, NONE).f1 in (None, 1.0)
        wanted = same.figure(unit, NONE).everything_f1
        # A response of no word or mark is one response, and marking its nothing marks nothing.
        if unit < 2:
            assert everything.figure(unit, NONE).f1 == (
                None if wanted is None else pytest.approx(wanted)
            )
