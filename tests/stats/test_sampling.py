"""Samples with known probabilities: the draw has them, and what is said of all rows is so on average."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evalkit.stats.sampling import (
    Sample,
    Summary,
    predictions,
    proportional,
    summarise,
    systematic,
)

PROBABILITIES = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=60)


@given(PROBABILITIES, st.integers(0, 2**32), st.floats(0, 1, exclude_max=True))
def test_a_draw_has_the_size_that_its_probabilities_add_up_to(
    probabilities: list[float], seed: int, start: float
) -> None:
    order = np.random.default_rng(seed).permutation(len(probabilities))
    drawn = systematic(probabilities, order, start)
    total = sum(p for p in probabilities if p < 1)
    certain = sum(p >= 1 for p in probabilities)
    assert np.floor(total - 1e-9) <= drawn.sum() - certain <= np.ceil(total + 1e-9)
    assert drawn[np.array(probabilities) >= 1].all()
    assert (systematic(probabilities, order, start) == drawn).all()


@settings(deadline=None)
@given(PROBABILITIES, st.integers(0, 2**32))
def test_over_all_starts_each_row_is_drawn_as_often_as_its_probability(
    probabilities: list[float], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(probabilities))
    starts = (np.arange(200) + 0.5) / 200
    often = np.mean([systematic(probabilities, order, start) for start in starts], axis=0)
    assert often == pytest.approx(np.array(probabilities), abs=1.1e-2)


def test_impossible_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        systematic([0.5, 1.5], [0, 1], 0.0)
    with pytest.raises(ValueError, match="above 0"):
        proportional([0.0, 1.0], 1.0)


class Population:
    """Rows of which a tenth is certain, with a cheap value that knows something of the value."""

    def __init__(self, n: int, kind: str) -> None:
        rng = np.random.default_rng(11)
        self.cheap = rng.beta(1, 3, n)
        if kind == "share":
            self.value = (rng.uniform(size=n) < 0.05 + 0.6 * self.cheap).astype(np.float64)
        else:
            self.value = np.clip(self.cheap + 0.15 * rng.normal(size=n), 0, 1)
        self.codes = (rng.uniform(size=n) < 0.2).astype(np.int64)
        sizes = 0.5 + np.sqrt(self.cheap * (1 - self.cheap))
        self.probability = proportional(sizes, 0.15 * n / sizes.sum())
        self.probability[rng.uniform(size=n) < 0.1] = 1.0
        self.truth = np.array([self.value[self.codes == g].mean() for g in (0, 1)])

    def sample(self, seed: int) -> Sample:
        rng = np.random.default_rng(seed)
        n = len(self.value)
        drawn = systematic(self.probability, rng.permutation(n), rng.uniform())
        value = np.where(drawn, self.value, np.nan)
        return Sample(value, self.cheap, self.probability, drawn, ~drawn)

    def summary(self, seed: int) -> Summary:
        sample = self.sample(seed)
        return summarise(sample, predictions(sample), self.codes, 2, is_bounded=True)


@pytest.mark.parametrize("kind", ["share", "score"])
def test_means_are_right_on_average_and_within_their_intervals(kind: str) -> None:
    population = Population(2000, kind)
    found = [population.summary(seed) for seed in range(400)]
    means = np.array([one.mean for one in found])
    error = means.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(means.mean(axis=0) - population.truth) < 3.5 * error).all()
    inside = [(one.lower <= population.truth) & (population.truth <= one.upper) for one in found]
    assert (np.mean(inside, axis=0) >= 0.94).all()
    # The variance that is stated is the one that there is, or a little more.
    ratio = np.mean([one.design for one in found], axis=0) / means.var(axis=0)
    assert (ratio > 0.9).all()
    assert ratio[0] < 1.7


def test_a_cheap_value_that_knows_something_narrows_the_interval() -> None:
    population = Population(4000, "score")
    sample = population.sample(3)
    without = Sample(sample.value, np.zeros(4000), sample.probability, sample.drawn, sample.open)
    widths = [
        summarise(one, predictions(one), population.codes, 2, is_bounded=True)
        for one in (sample, without)
    ]
    assert (widths[0].upper - widths[0].lower < 0.8 * (widths[1].upper - widths[1].lower)).all()


def test_a_cheap_value_that_is_wrong_costs_next_to_nothing() -> None:
    population = Population(800, "score")
    sample = population.sample(3)
    noise = np.random.default_rng(1).uniform(size=800)
    found = []
    for cheap in (noise, np.zeros(800)):
        one = Sample(sample.value, cheap, sample.probability, sample.drawn, sample.open)
        found.append(summarise(one, predictions(one), population.codes, 2, is_bounded=True))
    assert (found[0].upper - found[0].lower < 1.1 * (found[1].upper - found[1].lower)).all()


def test_where_every_row_is_certain_the_figures_are_those_of_the_rows() -> None:
    population = Population(200, "score")
    every = np.ones(200)
    sample = Sample(population.value, population.cheap, every, every > 0, every < 0)
    found = summarise(sample, predictions(sample), population.codes, 2, is_bounded=True)
    assert found.mean == pytest.approx(population.truth)
    assert found.design.tolist() == [0.0, 0.0]
    assert found.represented.tolist() == np.bincount(population.codes).tolist()
    assert found.effective == pytest.approx(found.represented)


def test_a_group_of_which_nothing_was_drawn_says_nothing() -> None:
    population = Population(200, "score")
    sample = population.sample(0)
    gone = population.codes == 1
    sample = Sample(
        np.where(gone, np.nan, sample.value),
        sample.cheap,
        np.where(gone, 0.01, sample.probability),
        sample.drawn & ~gone,
        sample.open | gone,
    )
    found = summarise(sample, predictions(sample), population.codes, 2, is_bounded=True)
    assert np.isfinite(found.mean[0])
    assert np.isnan([found.mean[1], found.lower[1], found.effective[1]]).all()


def test_rows_that_could_never_be_drawn_leave_no_figure() -> None:
    population = Population(200, "score")
    sample = population.sample(0)
    chance = np.where(sample.drawn, 1.0, 0.0)
    found = summarise(
        Sample(sample.value, sample.cheap, chance, sample.drawn, sample.open),
        predictions(sample),
        population.codes,
        2,
    )
    assert np.isnan(found.mean).all()


def test_what_applies_to_which_rows_may_be_unknown_until_they_are_read() -> None:
    """Mean and count of a figure that only some rows have, which no cheap value tells."""
    n = 600
    rng = np.random.default_rng(5)
    applies = rng.uniform(size=n) < 0.4
    value: NDArray[np.float64] = np.where(applies, rng.beta(2, 2, n), np.nan)
    probability = np.where(rng.uniform(size=n) < 0.5, 0.3, 0.15)
    means, counts, inside = [], [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        drawn = systematic(probability, rng.permutation(n), rng.uniform())
        sample = Sample(
            np.where(drawn, value, np.nan), np.full(n, np.nan), probability, drawn, ~drawn
        )
        assert not sample.is_exact
        codes = np.zeros(n, np.int64)
        found = summarise(sample, predictions(sample), codes, 1, is_bounded=True)
        means.append(found.mean[0])
        counts.append(found.represented[0])
        inside.append(found.lower[0] <= np.nanmean(value) <= found.upper[0])
        assert sample.count(np.isfinite(sample.value), codes, 1)[0] == pytest.approx(counts[-1])
    assert np.mean(means) == pytest.approx(np.nanmean(value), abs=0.006)
    assert np.mean(counts) == pytest.approx(applies.sum(), rel=0.02)
    assert np.mean(inside) >= 0.93
