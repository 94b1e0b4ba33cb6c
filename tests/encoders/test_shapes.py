"""The shape of a forward pass depends on a text's own length, never on how many others there
are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.encoders.shapes import TOKENS_PER_PASS, bucket, passes, rows_of

LENGTHS = st.lists(st.integers(1, 256), max_size=200)


@given(LENGTHS)
def test_every_text_is_in_exactly_one_pass_that_it_fits(lengths: list[int]) -> None:
    found = passes(lengths, 256)
    assert sorted(i for one in found for i in one.members) == list(range(len(lengths)))
    for one in found:
        assert 0 < len(one.members) <= rows_of(one.tokens)
        for i in one.members:
            assert one.tokens == bucket(lengths[i], 256) >= lengths[i]


@given(st.integers(1, 8192), st.integers(8, 8192))
def test_a_pass_is_bounded_and_little_of_it_is_padding(length: int, limit: int) -> None:
    length = min(length, limit)
    width = bucket(length, limit)
    assert length <= width <= limit
    assert width - length < 64
    assert rows_of(width) * width <= max(TOKENS_PER_PASS, width)
