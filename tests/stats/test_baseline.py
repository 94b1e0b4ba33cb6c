"""False alarms stay as rare as promised on days that really vary, and real changes are found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.stats.baseline import MIN_DAYS, Change, compare, expect


def simulate(
    rng: np.random.Generator,
    history: int,
    day_noise: float,
    weekday_spread: float,
    shift: float = 0.0,
    window: int = 1,
) -> Change:
    """One metric with unit row variance: its history, then a target window moved by `shift`."""
    days = rng.integers(0, 7) + np.arange(history + window)
    n = rng.integers(50, 400, len(days))
    mean = 0.5 + rng.normal(0, weekday_spread, 7)[days % 7] + rng.normal(0, day_noise, len(days))
    mean = mean + rng.normal(0, 1, len(days)) / np.sqrt(n)
    mean[history:] += shift
    variance = rng.chisquare(n - 1) / (n - 1)
    past, now = slice(None, history), slice(history, None)
    expected = expect(days[past], n[past], mean[past], variance[past], days[now])
    assert expected is not None
    return compare(n[now], mean[now], variance[now], expected)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(20261122)
    alarms = []
    for round_ in range(3000):
        history = int(rng.integers(8, 29))
        day_noise, weekday_spread = [(0.05, 0.05), (0.1, 0.05), (0.1, 0.2), (0.3, 0.1)][round_ % 4]
        alarms.append(simulate(rng, history, day_noise, weekday_spread).p_value < 0.01)
    assert np.mean(alarms) <= 0.015


def test_false_alarms_of_a_week_as_target() -> None:
    rng = np.random.default_rng(7)
    alarms = [
        simulate(rng, int(rng.integers(14, 29)), 0.1, 0.1, window=7).p_value < 0.01
        for _ in range(600)
    ]
    assert np.mean(alarms) <= 0.02


def test_real_changes_are_found() -> None:
    rng = np.random.default_rng(8)
    found = [simulate(rng, 28, 0.05, 0.05, shift=0.5).p_value < 0.01 for _ in range(200)]
    assert np.mean(found) >= 0.95
    found = [simulate(rng, 10, 0.05, 0.02, shift=0.6).p_value < 0.01 for _ in range(200)]
    assert np.mean(found) >= 0.9


def test_a_window_finds_a_shift_that_one_day_does_not_show() -> None:
    rng = np.random.default_rng(9)
    single = np.mean([simulate(rng, 28, 0.05, 0.05, 0.2).p_value < 0.01 for _ in range(150)])
    week = np.mean([simulate(rng, 28, 0.05, 0.05, 0.2, 7).p_value < 0.01 for _ in range(150)])
    assert week >= 0.95
    assert single <= 0.7


def week_shaped(weeks: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    days = np.arange(7 * weeks)
    noise = np.random.default_rng(1).normal(0, 0.01, len(days))
    return days, np.where(days % 7 >= 5, 0.8, 0.4) + noise


def test_a_weekend_is_compared_with_weekends() -> None:
    days, mean = week_shaped(4)
    rows = np.full(28, 1000.0), mean, np.full(28, 0.01)
    saturday, monday = expect(days, *rows, 33), expect(days, *rows, 28)
    assert saturday is not None
    assert monday is not None
    assert saturday.mean == pytest.approx(0.8, abs=0.02)
    assert monday.mean == pytest.approx(0.4, abs=0.02)
    assert compare(1000, 0.8, 0.01, saturday).p_value > 0.05
    assert compare(1000, 0.8, 0.01, monday).p_value < 1e-6


def test_one_week_of_history_calls_no_weekend_an_alarm() -> None:
    days, mean = week_shaped(1)
    expected = expect(days, np.full(7, 1000), mean, np.full(7, 0.01), 12)
    assert expected is not None
    assert compare(1000, 0.8, 0.01, expected).p_value > 0.05


def test_more_rows_do_not_make_ordinary_days_alarms() -> None:
    """Day noise does not shrink with rows; this is what cries wolf elsewhere."""
    rng = np.random.default_rng(3)
    alarms = []
    for _ in range(300):
        mean = 0.5 + rng.normal(0, 0.02, 22)
        n = np.full(21, 10_000_000)
        expected = expect(np.arange(21), n, mean[:21], np.full(21, 0.25), 21)
        assert expected is not None
        alarms.append(compare(10_000_000, mean[21], 0.25, expected).p_value < 0.01)
    assert np.mean(alarms) <= 0.03


def test_identical_days_and_a_first_failure() -> None:
    flat = expect(np.arange(14), np.full(14, 50), np.zeros(14), np.zeros(14), 14)
    assert flat is not None
    assert flat.tau2 == 0
    same = compare(50, 0.0, 0.0, flat)
    assert (same.p_value, same.statistic, same.standardised) == (1.0, None, None)
    assert compare(50, 1.0, 0.0, flat).p_value == 0.0
    assert compare(50, 0.02, 0.0196, flat).p_value > 0.05  # one failure of fifty


def test_too_little_history_has_no_expectation() -> None:
    few = MIN_DAYS - 1
    assert expect(np.arange(few), np.ones(few), np.ones(few), np.full(few, np.nan), 9) is None
    holes = expect(np.arange(8), [0, 5, 5, 5, 5, 5, 0, 5], np.full(8, 0.5), np.full(8, 0.1), 9)
    assert holes is not None
    assert holes.days == 6


def test_misuse_is_refused() -> None:
    rows = np.full(8, 10), np.full(8, 0.5), np.full(8, 0.1)
    with pytest.raises(ValueError, match="own history"):
        expect(np.arange(8), *rows, 7)
    with pytest.raises(ValueError, match="equally long"):
        expect(np.arange(7), *rows, 9)
    expected = expect(np.arange(8), *rows, 9)
    assert expected is not None
    with pytest.raises(ValueError, match="needs rows"):
        compare(0, 0.5, 0.1, expected)
    with pytest.raises(ValueError, match="target's days"):
        compare([5, 5], [0.5, 0.5], [0.1, 0.1], expected)
