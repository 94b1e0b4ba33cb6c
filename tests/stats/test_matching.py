"""What a score knows besides the size: an artefact of size is worth a half among rows of like
size."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.stats import matching
from evalkit.stats.classification import auroc
from evalkit.stats.matching import matched_auroc, matched_pairs

rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 12)), min_size=1, max_size=40
)


def test_by_hand() -> None:
    labels, scores, sizes = [1, 1, 0, 0, 0], [5, 1, 3, 1, 9], [10, 40, 12, 50, 100]
    # Pairs within 1.25: (10, 12), where 5 beats 3; (40, 50), where 1 ties with 1.
    found = matched_pairs(labels, scores, sizes)
    assert found.pairs == 2
    assert found.auroc() == pytest.approx(0.75)
    # The first pair counted three times, the second once.
    assert found.auroc(np.array([3, 1, 1, 1, 1])) == pytest.approx((3 + 0.5) / 4)
    assert matched_auroc([1, 0], [1, 2], [10, 100]) is None


def test_an_artefact_of_size_disappears_and_real_knowledge_stays() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 2000)
    sizes = np.round(np.exp(rng.normal(4 + 0.7 * labels, 0.6)))
    only_size = matched_auroc(labels, sizes, sizes, ratio=1.05)
    both = matched_auroc(labels, labels + rng.normal(0, 1, 2000), sizes, ratio=1.05)
    assert auroc(labels, sizes) > 0.75  # type: ignore[operator]
    assert only_size == pytest.approx(0.5, abs=0.03)
    assert both == pytest.approx(0.76, abs=0.04)


@settings(deadline=None)
@given(rows)
def test_with_equal_sizes_it_is_the_plain_area(items: list[tuple[int, int, int]]) -> None:
    labels, scores, _ = np.array(items).T
    plain = auroc(labels, scores)
    found = matched_auroc(labels, scores, np.full(len(items), 7))
    assert found == (None if plain is None else pytest.approx(plain))


@settings(deadline=None)
@given(rows, st.sampled_from([1.0, 1.25, 1.5, 4.0]), st.randoms(use_true_random=False))
def test_it_is_the_share_of_like_pairs_in_any_order(
    items: list[tuple[int, int, int]], ratio: float, random: Random
) -> None:
    pairs = [
        (a > c) + 0.5 * (a == c)
        for up, a, size in items
        for down, c, other in items
        if up and not down and max(size, other) <= ratio * min(size, other)
    ]
    shuffled = random.sample(items, len(items))
    for order in (items, shuffled):
        labels, scores, sizes = np.array(order).T
        found = matched_auroc(labels, scores, sizes, ratio=ratio)
        assert found == (pytest.approx(float(np.mean(pairs))) if pairs else None)
        turned = matched_auroc(labels, -scores, sizes, ratio=ratio)
        assert turned == (pytest.approx(1 - float(np.mean(pairs))) if pairs else None)


def test_many_pairs_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 1500)
    scores, sizes = labels + rng.normal(0, 1, 1500), rng.integers(5, 60, 1500)
    exact = matched_pairs(labels, scores, sizes)
    monkeypatch.setattr(matching, "_MOST_PAIRS", 20_000)
    sampled = matched_pairs(labels, scores, sizes)
    assert sampled.pairs == exact.pairs > sampled.alike.nnz
    assert sampled.auroc() == pytest.approx(exact.auroc(), abs=0.01)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        matched_auroc([0, 1], [1, 2], [-1, 2])
    with pytest.raises(ValueError, match="at least 1"):
        matched_auroc([0, 1], [1, 2], [1, 2], ratio=0.5)
