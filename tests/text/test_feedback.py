"""Feedback is for or against an answer, or cannot be read as either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.feedback import is_negative


@pytest.mark.parametrize(
    ("name", "value", "label", "negative"),
    [
        ("user-thumbs", 0.0, None, True),
        ("user-thumbs", 1.0, None, False),
        ("user_feedback", -1.0, None, True),
        ("user_score", 0.2, None, True),
        ("thumbs_down", 1.0, None, True),
        ("thumbs_down", 0.0, None, False),
        ("rating", 1.0, None, True),
        ("rating", 2.0, None, True),
        ("rating", 3.0, None, None),
        ("stars", 5.0, None, False),
        ("helpfulness", 0.0, None, True),
        ("quality", None, "Bad", True),
        (None, None, "thumbs-down", True),
        (None, None, "thumbs up", False),
        (None, None, "👎🏽", True),
        (None, None, "👍", False),
        # a machine's score: 1 may be bad, and nobody was asked
        ("hallucination", 1.0, None, None),
        ("toxicity", 0.0, None, None),
        # scales that are not known
        ("rating", 7.0, None, None),
        ("user_score", 40.0, None, None),
        ("comment", None, "the date is missing", None),
        (None, None, None, None),
        (None, 0.0, None, None),
    ],
)
def test_polarity(
    name: str | None, value: float | None, label: str | None, negative: bool | None
) -> None:
    assert is_negative(name, value, label) is negative


@given(
    st.none() | st.text(max_size=60),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.text(max_size=60),
)
def test_anything_is_taken(name: str | None, value: float | None, label: str | None) -> None:
    assert is_negative(name, value, label) in {True, False, None}
