"""What is kept of each night's scores of the frozen rows, and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa
import pytest

from evalkit.canary.comparing import move, read_off
from evalkit.canary.reading import Canary, read
from evalkit.canary.step import record
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import CANARY

DAY = date(2026, 11, 20)
HALLUCINATION = Metric("hallucination", "probability", "higher", "")
LATENCY = Metric("latency_ms", "ms", "higher", "")


@dataclass
class Fixed:
    """An instrument that gives every unsupported row one value and every supported row another."""

    bad: float = 0.8
    good: float = 0.2
    parts: dict[str, str] = field(default_factory=lambda: {"torch": "1"})

    @property
    def canary(self) -> Canary:
        return read()

    @property
    def metrics(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in (HALLUCINATION, LATENCY)}

    @property
    def scores(self) -> pa.Table:
        verdicts = self.canary.hallucinated
        return pa.table(
            {
                "hallucination": [self.bad if verdict else self.good for verdict in verdicts],
                "latency_ms": pa.nulls(len(verdicts), pa.float64()),
            }
        )


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def rows(lake: Lake, day: date) -> list[dict]:
    return lake.read(CANARY, day, day).to_pylist()


def test_a_first_night_has_nothing_to_compare_with(lake: Lake) -> None:
    done = record(lake, DAY, Fixed())
    assert "nothing to compare with" in str(done)
    (row,) = rows(lake, DAY)  # no frozen row has a latency: no reading of it
    assert (row["metric"], row["n_scored"], row["auroc"]) == ("hallucination", 80, 1.0)
    assert row["mean"] == pytest.approx(0.5)
    assert (row["previous_day"], row["previous_move"]) == (None, None)
    assert (row["first_day"], row["first_move"]) == (DAY, 0.0)


def test_moves_are_taken_from_the_night_before_and_from_the_first_of_the_same_instrument(
    lake: Lake,
) -> None:
    other = Fixed(bad=0.5, parts={"torch": "2"})
    for back, instrument in ((4, Fixed()), (3, other), (1, Fixed(bad=0.9))):
        done = record(lake, DAY - timedelta(days=back), instrument)
    assert done.moved == (pytest.approx(0.4), "hallucination")
    (row,) = rows(lake, DAY - timedelta(days=1))
    assert row["previous_day"] == DAY - timedelta(days=3)
    assert row["previous_move"] == pytest.approx(0.4)
    assert row["first_day"] == DAY - timedelta(days=4)
    assert row["first_move"] == pytest.approx(0.1)


def test_a_night_run_again_is_compared_with_earlier_nights_only(lake: Lake) -> None:
    record(lake, DAY - timedelta(days=1), Fixed())
    record(lake, DAY, Fixed())
    before = rows(lake, DAY)
    record(lake, DAY + timedelta(days=1), Fixed(bad=0.9))
    record(lake, DAY, Fixed())
    assert rows(lake, DAY) == before


def test_agreement_is_read_in_the_direction_of_the_metric() -> None:
    groundedness = Metric("groundedness", "score", "lower", "")
    assert read_off(groundedness, [0.9, 0.1], [False, True]).auroc == 1.0
    assert read_off(HALLUCINATION, [0.9, 0.1], [False, True]).auroc == 0.0
    assert read_off(Metric("context_relevance", "score", "lower", ""), [0.9], [True]).auroc is None
    assert read_off(HALLUCINATION, [None, None], [False, True]) is None


def test_a_value_that_comes_or_goes_is_a_whole_move() -> None:
    assert move(HALLUCINATION, [0.5, None], [0.5, 0.1]) == 1.0
    assert move(HALLUCINATION, [0.5], [0.5, 0.1]) == 1.0
    assert move(HALLUCINATION, None, [0.5]) is None
    assert move(LATENCY, [100.0], [150.0]) == pytest.approx(1 / 3)


def test_equal_values_have_equal_digests() -> None:
    one, other = (read_off(HALLUCINATION, values, [True]) for values in ([0.25], [0.250001]))
    assert one.digest == read_off(HALLUCINATION, [0.25], [True]).digest != other.digest
