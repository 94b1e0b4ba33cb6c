"""Which rows are read under a budget: probabilities that keep to the allowance, and a draw that the same
rows always have."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.scoring.choosing import Candidates, choose, rarity


def some(n: int, seed: int = 0, *, chunks: int = 40, missing: int = 40) -> Candidates:
    """Rows of five chunks that they share, and an answer of their own."""
    rng = np.random.default_rng(seed)
    found = Candidates(ids=[f"i{k}" for k in range(n)])
    found.unsure.append(rng.uniform(size=n))
    found.own.append(np.zeros(n, np.int64))
    found.whole.append(np.full(n, 240))
    for row in range(n):
        keys = np.unique(np.append(rng.integers(0, chunks, 5), 1000 + row))
        found.keys.append(keys)
        found.tokens.append(np.full(len(keys), missing))
        found.at.append(np.full(len(keys), row))
    return found


def test_what_fits_is_read_whole() -> None:
    found = choose(some(50), np.zeros(50), 1e9, "s")
    assert found.is_drawn.all()
    assert (found.probability == 1).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.6])
def test_on_average_a_draw_takes_what_is_allowed(share: float) -> None:
    candidates, rare = some(400), np.zeros(400)
    allowance = share * choose(candidates, rare, 1e9, "s").work
    found = [choose(candidates, rare, allowance, str(seed)) for seed in range(100)]
    assert found[0].expected == pytest.approx(allowance, rel=1e-6)
    assert np.mean([one.drawn for one in found]) == pytest.approx(allowance, rel=0.03)
    sizes = {int(one.is_drawn.sum()) for one in found}
    assert max(sizes) - min(sizes) <= 1
    assert ((found[0].probability > 0) & (found[0].probability <= 1)).all()


def test_the_same_rows_and_seed_are_the_same_draw() -> None:
    first, again = (choose(some(80), np.zeros(80), 2000, "s") for _ in range(2))
    assert (first.is_drawn == again.is_drawn).all()
    other = choose(some(80), np.zeros(80), 2000, "t")
    assert (first.is_drawn != other.is_drawn).any()


def test_a_draw_is_another_once_something_was_read() -> None:
    """A row that was drawn costs nothing the next time and is certain then: with the same numbers no
    other row would ever be drawn."""
    candidates = some(200)
    first = choose(candidates, np.zeros(200), 3000, "s")
    for row in np.flatnonzero(first.is_drawn):
        candidates.tokens[row] = np.zeros_like(candidates.tokens[row])
    second = choose(candidates, np.zeros(200), 3000, "s")
    assert (second.probability[first.is_drawn] == 1).all()
    assert (second.is_drawn & ~first.is_drawn).any()


def test_with_nothing_to_spend_only_what_is_free_is_read() -> None:
    candidates = some(30)
    candidates.tokens[7] = np.zeros_like(candidates.tokens[7])
    found = choose(candidates, np.zeros(30), 0, "s")
    assert np.flatnonzero(found.is_drawn).tolist() == [7]
    assert found.probability[7] == 1
    assert found.probability.sum() == 1


def test_doubt_and_rarity_make_a_row_likelier_and_a_price_less_likely() -> None:
    candidates = some(100)
    candidates.unsure[0][:] = 0.0
    candidates.unsure[0][0] = 1.0
    candidates.own[0][2] = 2000
    rare = np.zeros(100)
    rare[1] = 1.0
    chance = choose(candidates, rare, 3000, "s").probability
    assert chance[0] > np.median(chance)
    assert chance[1] > np.median(chance)
    assert chance[2] < np.median(chance)


def test_no_rows_are_no_draw() -> None:
    found = choose(Candidates(), np.zeros(0), 10.0, "s")
    assert found.is_drawn.tolist() == []
    assert found.work == 0


def test_what_few_rows_have_is_rare() -> None:
    flag = np.arange(100) < 10
    found = rarity([["a"] * 100], 100, [flag])
    assert found[:10].tolist() == [1.0] * 10
    assert found[10:].tolist() == [0.3] * 90
