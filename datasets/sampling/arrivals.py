"""When requests arrive: the hour and day shape of one real ServeGen client, as Poisson counts."""

import math
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

SHAPE_MODEL, SHAPE_CLIENT = "m-mid", 40
# ServeGen does not publish the weekday of its second 0. This client has a run of quiet days (3 to
# 5); two of them stand for the weekend, the five full days after them for Monday to Friday.
WEEKDAY_TO_SERVEGEN_DAY = (6, 7, 8, 9, 10, 4, 5)
WINDOW_S, DAY_S = 600, 86_400


@dataclass(frozen=True)
class Shape:
    """`hours` [24] sums to 1; `weekdays` [7], Monday first, is relative volume."""

    hours: tuple[float, ...]
    weekdays: tuple[float, ...]

    @property
    def busiest_hour(self) -> int:
        """The hour of day with most traffic."""
        return max(range(24), key=lambda hour: self.hours[hour])


def read_shape(shared: Path) -> Shape:
    """Requests by hour of day and by day of the chosen client."""
    table = pq.read_table(
        shared / "servegen_windows.parquet",
        columns=["start_s", "rate", "model", "client"],
    )
    chosen = table.filter(
        pc.and_(pc.equal(table["model"], SHAPE_MODEL), pc.equal(table["client"], SHAPE_CLIENT))
    )
    hours: list[list[float]] = [[] for _ in range(24)]
    days: list[list[float]] = [[] for _ in range(14)]
    for start_s, rate in zip(
        chosen["start_s"].to_pylist(), chosen["rate"].to_pylist(), strict=True
    ):
        hours[start_s % DAY_S // 3600].append(rate)
        days[start_s // DAY_S].append(rate)
    total = math.fsum(rate for hour in hours for rate in hour)
    return Shape(
        hours=tuple(math.fsum(hour) / total for hour in hours),
        weekdays=tuple(math.fsum(days[day]) / total * 14 for day in WEEKDAY_TO_SERVEGEN_DAY),
    )


def arrivals(
    shape: Shape, nights: list[date], per_day: float, seed: str
) -> dict[date, list[datetime]]:
    """Arrival times (UTC, whole ms, sorted) of each night; `per_day` is the expected mean."""
    mean_level = math.fsum(shape.weekdays[night.weekday()] for night in nights) / len(nights)
    times: dict[date, list[datetime]] = {}
    for night in nights:
        draw = random.Random(f"{seed}/arrivals/{night}")
        expected = per_day * shape.weekdays[night.weekday()] / mean_level
        midnight = datetime(night.year, night.month, night.day, tzinfo=UTC)
        offsets = [
            hour * 3_600_000 + draw.randrange(3_600_000)
            for hour in range(24)
            for _ in range(_poisson(draw, expected * shape.hours[hour]))
        ]
        times[night] = [midnight + timedelta(milliseconds=ms) for ms in sorted(offsets)]
    return times


def _poisson(draw: random.Random, mean: float) -> int:
    """Poisson by multiplication of uniforms (Knuth); fine for the small means of one hour."""
    limit, product, count = math.exp(-mean), draw.random(), 0
    while product > limit:
        product *= draw.random()
        count += 1
    return count
