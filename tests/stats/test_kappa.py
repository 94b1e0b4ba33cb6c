"""Cohen's kappa of two people, held against scikit-learn, and its interval against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from evalkit.stats.kappa import cohen_kappa

verdict = st.sampled_from([0.0, 1.0, None])


@given(st.lists(st.tuples(verdict, verdict), max_size=40))
def test_kappa_is_that_of_scikit_learn_on_the_rows_that_both_judged(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    found = cohen_kappa([a for a, _ in pairs], [b for _, b in pairs], draws=200)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert found.n == len(both)
    if not both:
        assert found.agreement is None
    if len({value for pair in both for value in pair}) < 2:
        assert found.kappa is None, "one answer throughout: chance alone agrees always"
        return
    expected = cohen_kappa_score([a for a, _ in both], [b for _, b in both])
    assert found.kappa == pytest.approx(expected)
    assert found.lower <= found.kappa <= found.upper
    assert found.agreement == pytest.approx(np.mean([a == b for a, b in both]))


def test_full_agreement_on_ten_rows_is_not_certainty() -> None:
    found = cohen_kappa([0, 1] * 5, [0, 1] * 5)
    assert found.kappa == found.upper == 1
    assert 0.4 < found.lower < 0.9


@pytest.mark.parametrize(("n", "prevalence", "accuracy"), [(20, 0.3, 0.9), (50, 0.15, 0.9)])
def test_the_interval_holds_the_true_kappa(n: int, prevalence: float, accuracy: float) -> None:
    """Two people who each find the truth with some accuracy; 95 % intervals in 300 draws."""
    miss = 1 - accuracy
    shares = [
        (1 - prevalence) * accuracy**2 + prevalence * miss**2,
        accuracy * miss,
        accuracy * miss,
        prevalence * accuracy**2 + (1 - prevalence) * miss**2,
    ]
    yes = shares[2] + shares[3]
    chance = yes**2 + (1 - yes) ** 2
    truth = (shares[0] + shares[3] - chance) / (1 - chance)
    rng = np.random.default_rng(5)
    held = []
    for seed in range(300):
        cell = rng.choice(4, n, p=shares)
        found = cohen_kappa(cell // 2, cell % 2, draws=800, seed=seed)
        if found.kappa is not None:
            held.append(found.lower <= truth <= found.upper)
    assert 0.9 <= np.mean(held) <= 0.985


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        cohen_kappa([1], [1, 0])
    with pytest.raises(ValueError, match="0, 1 or none"):
        cohen_kappa([2], [1])
    with pytest.raises(ValueError, match="level"):
        cohen_kappa([1], [1], level=1.0)
