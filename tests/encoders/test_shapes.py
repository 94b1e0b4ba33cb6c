"""The shape of a forward pass depends on a text's own length, never on how many others there
are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evalkit.encoders.batched import Ids, Passes
from evalkit.encoders.contract import Matrix
from evalkit.encoders.shapes import TOKENS_PER_PASS, bucket, few_of, passes, rows_of
from evalkit.encoders.tokenizer import Tokenized

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


@given(st.integers(1, 4096))
def test_a_pass_of_few_texts_has_little_filler(texts: int) -> None:
    rows = few_of(texts)
    assert texts <= rows
    assert 2 * (rows - texts) < max(rows, 2)
    assert few_of(rows) == rows


class Summing:
    """A forward pass that sums a lone text's tokens in another order, as some libraries do: what shows
    only where there are more than two."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, ...]:
        self.rows.append(len(ids))
        parts = np.where(mask, np.exp(ids * 1.7), 0).astype(np.float32)
        order = parts[:, ::-1] if len(ids) == 1 else parts
        return (np.cumsum(order, axis=1, dtype=np.float32)[:, -1:],)


def test_a_short_text_that_agrees_by_chance_opens_no_door_for_longer_ones() -> None:
    def pad(rows: Sequence[Tokenized], tokens: int) -> tuple[Ids, Ids, Ids]:
        ids = np.zeros((len(rows), tokens), dtype=np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)], mask[i, : len(row.ids)] = row.ids, 1
        return ids, mask, mask

    def text(*ids: int) -> Tokenized:
        return Tokenized(list(ids), [0] * len(ids), [], [])

    forward = Summing()
    one_by_one = Passes(pad, text(1, 2), forward, 256)
    texts = [text(5, 9), text(3, 7, 11, 2, 6, 1)]
    alone = [parts[0].tobytes() for t in texts for _, parts in one_by_one.run([t])]
    together = [
        row.tobytes()
        for _, parts in Passes(pad, text(1, 2), forward, 256).run(texts)
        for row in parts[0]
    ]
    assert alone == together
    assert 1 in forward.rows  # it was tried
