"""A quiet hour is told from a broken one, whatever the traffic's spread."""

import numpy as np
import pytest

from evalkit.stats.counts import lower_tail


def alarm_share(rate: float, spread: float, history: int, rounds: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    alarms = []
    for _ in range(rounds):
        mean = np.full(history + 1, rate)
        if spread:
            mean = mean * rng.gamma(1 / spread, spread, history + 1)
        counts = rng.poisson(mean)
        check = lower_tail(int(counts[-1]), counts[:-1])
        assert check is not None
        alarms.append(check.p_value < 0.01)
    return float(np.mean(alarms))


@pytest.mark.parametrize(("rate", "spread"), [(3, 0.0), (40, 0.0), (10, 0.1), (100, 0.2)])
def test_false_alarms_are_rare(rate: float, spread: float) -> None:
    assert alarm_share(rate, spread, history=14, rounds=500, seed=6) <= 0.024


def test_an_outage_is_found() -> None:
    check = lower_tail(12, [98, 105, 110, 91, 120, 102, 99])
    assert check is not None
    assert check.p_value < 1e-4
    assert check.median == pytest.approx(103, abs=4)


def test_last_weeks_outage_does_not_excuse_this_one() -> None:
    check = lower_tail(5, [98, 105, 0, 110, 91, 120, 102, 99, 1000])
    assert check is not None
    assert check.dropped == 2
    assert check.p_value < 1e-4


def test_an_hour_that_is_often_empty_may_be_empty() -> None:
    check = lower_tail(0, [0, 3, 0, 1, 0, 0, 2])
    assert check is not None
    assert check.p_value > 0.2
    silent = lower_tail(0, [0] * 7)
    assert silent is not None
    assert silent.p_value > 0.5


def test_a_sunday_is_compared_with_sundays() -> None:
    weekday = np.arange(28) % 7
    counts = np.where(weekday == 6, 10, 200) + np.arange(28) % 3
    sunday = lower_tail(9, counts, weekdays=weekday, weekday=6)
    monday = lower_tail(9, counts, weekdays=weekday, weekday=0)
    assert sunday is not None
    assert monday is not None
    assert sunday.by_weekday
    assert sunday.mean == pytest.approx(11, abs=1.5)
    assert sunday.p_value > 0.1
    assert monday.p_value < 1e-6


def test_too_little_history_gives_no_verdict() -> None:
    assert lower_tail(0, [5, 5, 5, 5]) is None
    with pytest.raises(ValueError, match="negative"):
        lower_tail(0, [1, 2, 3, 4, -1])
    with pytest.raises(ValueError, match="as long"):
        lower_tail(0, [1] * 6, weekdays=[1], weekday=1)
