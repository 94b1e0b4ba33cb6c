"""The draw: who is asked, with which probability, and that these probabilities are true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.labelling.selection import FLOOR, draw, inclusion_probabilities, worth

unit = st.floats(0, 1)
rows = st.lists(
    st.tuples(unit, st.sampled_from("abc"), st.integers(0, 60)), min_size=1, max_size=60
)


def test_the_uncertain_the_rare_and_the_recent_are_worth_most() -> None:
    found = worth([0.5, 0.9, 0.5, 0.5, 0.5], ["a", "a", "a", "a", "b"], [0, 0, 7, 14, 0])
    assert found[0] > found[1], "uncertain before certain"
    assert found[0] == pytest.approx(2 * found[2]), "a week older is worth half"
    assert found[4] > found[0], "the only row of its segment comes before those of a large one"
    assert found.sum() == pytest.approx(1)


def test_a_segment_of_certain_scores_keeps_its_share() -> None:
    found = worth([0.5] * 4 + [0.0, 1.0, 0.0, 1.0], ["a"] * 4 + ["b"] * 4, [0] * 8)
    assert found.tolist() == pytest.approx([1 / 8] * 8)


@given(rows, st.integers(1, 70), st.sampled_from([0.05, FLOOR, 1.0]))
def test_probabilities_are_positive_and_sum_to_the_number_asked(
    table: list[tuple[float, str, int]], n: int, floor: float
) -> None:
    values, segments, ages = zip(*table, strict=True)
    found = inclusion_probabilities(worth(values, segments, ages), n, floor)
    size = len(table)
    assert found.sum() == pytest.approx(min(n, size), abs=1e-9)
    assert np.all((found > 0) & (found <= 1))
    assert np.all(found >= min(1.0, floor * n / size) - 1e-12)


@given(rows, st.integers(1, 70), st.integers(0, 2**32))
def test_a_draw_has_its_size_no_row_twice_and_each_segment_its_share(
    table: list[tuple[float, str, int]], n: int, seed: int
) -> None:
    values, segments, ages = zip(*table, strict=True)
    chances = inclusion_probabilities(worth(values, segments, ages), n)
    picks = draw(chances, segments, seed)
    assert len(picks) == len(set(picks.tolist())) == min(n, len(table))
    assert picks.tolist() == draw(chances, segments, seed).tolist()
    for segment in set(segments):
        expected = float(chances[np.array(segments) == segment].sum())
        got = sum(segments[pick] == segment for pick in picks)
        assert np.floor(expected - 1e-6) <= got <= np.ceil(expected + 1e-6)


def _traffic() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, segments, inclusion probabilities and true verdicts of 300 rows; the scores are wrong on /b."""
    rng = np.random.default_rng(3)
    scores = rng.beta(1, 3, 300)
    segments = rng.choice(["/a", "/b", "/c"], 300, p=[0.8, 0.15, 0.05])
    chances = inclusion_probabilities(worth(scores, segments, rng.integers(0, 28, 300)), 40)
    truth = (rng.random(300) < np.where(segments == "/b", 0.6, scores)).astype(float)
    return scores, segments, chances, truth


def test_rows_are_drawn_as_often_as_their_probabilities_say() -> None:
    _, segments, chances, _ = _traffic()
    draws = 2000
    times = np.zeros(len(chances))
    for seed in range(draws):
        times[draw(chances, segments, seed)] += 1
    error = np.sqrt(chances * (1 - chances) / draws)
    z = (times / draws - chances)[error > 0] / error[error > 0]
    assert np.abs(z).max() < 4.5, "300 rows: 3.1 is expected of the largest"
    assert np.mean(z**2) == pytest.approx(1, abs=0.25)


def test_a_horvitz_thompson_estimate_is_unbiased_where_the_plain_share_is_not() -> None:
    _, segments, chances, truth = _traffic()
    estimates, shares = [], []
    for seed in range(2000):
        picks = draw(chances, segments, seed)
        estimates.append(np.sum(truth[picks] / chances[picks]) / len(truth))
        shares.append(truth[picks].mean())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth.mean()) < 3.5 * error
    assert abs(np.mean(shares) - truth.mean()) > 10 * error


def test_the_first_rows_of_a_draw_are_a_random_part_of_it() -> None:
    _, segments, chances, truth = _traffic()
    estimates = []
    for seed in range(2000):
        picks = draw(chances, segments, seed)[:15]
        estimates.append(np.sum(truth[picks] / (chances[picks] * 15 / 40)) / len(truth))
    assert abs(np.mean(estimates) - truth.mean()) < 3.5 * np.std(estimates) / np.sqrt(2000)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        worth([1.5], ["a"], [0])
    with pytest.raises(ValueError, match="equally long"):
        worth([0.5], ["a", "b"], [0])
    with pytest.raises(ValueError, match="not negative"):
        inclusion_probabilities([-1.0], 1)
    with pytest.raises(ValueError, match="floor"):
        inclusion_probabilities([1.0], 1, floor=0)
    with pytest.raises(ValueError, match="whole sum"):
        draw([0.5, 0.4], ["a", "a"], 0)
