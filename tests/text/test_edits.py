"""How much of an answer an edit changed, by words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.edits import MAX_WORDS, edit_share

WORDS = st.lists(st.sampled_from(["a1", "b2", "c3", "d4"]), max_size=12)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("five working days", "Five working days.", 0.0),  # case and stops are no edits
        ("five working days", "ten working days", 1 / 3),
        ("five working days", "five days", 1 / 3),
        ("five days", "about five working days", 1 / 2),
        ("five", "ten", 1.0),
        ("", "", 0.0),
        ("", "five days", 1.0),
    ],
)
def test_by_hand(before: str, after: str, share: float) -> None:
    assert edit_share(before, after) == pytest.approx(share)


def test_very_long_texts_are_not_compared() -> None:
    assert edit_share("word " * (MAX_WORDS + 1), "word") is None
    assert edit_share("word " * MAX_WORDS, "word " * MAX_WORDS) == 0


@given(WORDS, WORDS)
def test_it_is_levenshteins_distance(a: list[str], b: list[str]) -> None:
    found = edit_share(" ".join(a), " ".join(b))
    assert found == pytest.approx(slow(a, b) / max(len(a), len(b), 1))
    assert found == edit_share(" ".join(b), " ".join(a))


def slow(a: list[str], b: list[str]) -> int:
    """The textbook table, cell by cell."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left = [i]
        for j, y in enumerate(b, 1):
            left.append(min(row[j] + 1, left[-1] + 1, row[j - 1] + (x != y)))
        row = left
    return row[-1]


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_texts_have_a_share(a: str, b: str) -> None:
    share = edit_share(a, b)
    assert share is not None
    assert 0 <= share <= 1
