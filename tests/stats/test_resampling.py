"""Whole clusters are drawn together, and the same seed draws the same ones."""

import numpy as np
import pytest

from evalkit.stats.resampling import intervals


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(10, 2, 400)
    found = intervals(
        lambda weight: {"mean": float(weight @ values / weight.sum())}, np.arange(400), draws=2000
    )
    lower, upper = found["mean"]
    half = 1.96 * values.std() / 20
    assert lower == pytest.approx(values.mean() - half, abs=0.05)
    assert upper == pytest.approx(values.mean() + half, abs=0.05)


def test_rows_of_a_cluster_have_one_weight() -> None:
    def same(weight: np.ndarray) -> dict[str, float | None]:
        assert weight[0] == weight[1]
        return {"gap": float(weight[0] - weight[2])}

    lower, upper = intervals(same, ["a", "a", "b", "c"], draws=50)["gap"]
    assert lower is not None
    assert upper is not None
    assert lower < 0 < upper


def test_what_means_nothing_has_no_interval() -> None:
    assert intervals(lambda _: {"none": None}, ["a", "b"], draws=10) == {"none": (None, None)}
    assert intervals(lambda _: {"one": 1.0}, []) == {}
    with pytest.raises(ValueError, match="one key a row"):
        intervals(lambda _: {}, [["a"]])
