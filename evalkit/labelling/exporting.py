"""From the lake to a sheet: who is eligible, what was labelled before, and the texts of the rows that were drawn."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evalkit.errors import EvalkitError
from evalkit.labelling.consolidation import given
from evalkit.labelling.design import Asked, Design, Item, Sheet, digest
from evalkit.labelling.questions import question_of
from evalkit.labelling.selection import draw, inclusion_probabilities, worth
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.queries import query
from evalkit.schema import SCORES

__all__ = ["choose"]

#: Stored probabilities are rounded so that no machine's last bit gives a sheet another id.
_DIGITS = 12


def choose(
    lake: Lake,
    metric: Metric,
    start: date,
    end: date,
    n: int = 50,
    *,
    by: str | None = None,
    second: bool = False,
    show_score: bool = False,
    seed: int = 0,
) -> Sheet:
    """The n rows of some days that are most worth a person's minute.

    Args:
        lake: where interactions, scores and labels are.
        metric: what is judged; a metric between 0 and 1.
        start: the first day of traffic.
        end: the last day.
        n: how many rows; fewer where there are no more.
        by: who will judge, when known.
        second: ask again about rows that one other person has judged, evenly drawn, to see how well two agree.
        show_score: put the score on the sheet; it sways people, so not by default.
        seed: of the draw; the same lake, arguments and seed give the same sheet.

    Raises:
        EvalkitError: the metric cannot be judged or was never scored, n is below 1, or no row is left to ask.
    """
    question = question_of(metric)
    if n < 1:
        raise EvalkitError(f"--n {n}: ask for at least one row.")
    rows = _candidates(lake, metric, start, end)
    labels = given(lake, metric.name, end)
    keys = list(zip(rows["day"].to_pylist(), rows["interaction_id"].to_pylist(), strict=True))
    before = _labelled_by(labels)
    if second:
        kept = [k for k, key in enumerate(keys) if _one_other(before.get(key, []), by)]
    else:
        kept = [k for k, key in enumerate(keys) if key not in before]
    if not kept:
        raise EvalkitError(_nothing(metric.name, start, end, len(keys), second, by))
    population = rows.take(pa.array(kept, pa.int64()))
    keys = [keys[k] for k in kept]
    picks, chances = _drawn(population, end, n, seed, evenly=second)
    after = () if second else _sheets(labels, start, end)
    # Under a budget a row had to be drawn twice: to be scored, and to be asked.
    chances = chances * population["chance"].to_numpy()
    asked = [
        Asked(*keys[pick], None if second else round(float(chances[pick]), _DIGITS))
        for pick in picks
    ]
    bare = Design("", metric.name, start, end, len(keys), len(asked), seed, after)
    rows_of_it = [[item.day.isoformat(), item.interaction_id, item.probability] for item in asked]
    identity = digest([bare.to_json(), sorted(rows_of_it, key=lambda row: row[:2])])
    design = Design(**{**vars(bare), "id": identity})
    values = (
        population["value"].take(pa.array(picks)).to_pylist() if show_score else [None] * len(asked)
    )
    return Sheet(design, question, _items(lake, design, asked, values), by)


def _candidates(lake: Lake, metric: Metric, start: date, end: date) -> pa.Table:
    stored = lake.sql("SELECT * FROM scores LIMIT 0").column_names
    if f"{metric.name}__status" not in stored:
        days = lake.days(SCORES)
        have = f"{days[0]} to {days[-1]}" if days else "no day"
        raise EvalkitError(f"{metric.name}: was never scored (scores hold {have}).")
    # The name is one of the table's own columns: nothing of the caller's.
    asked = query("label_candidates").replace("{metric}", f'"{metric.name}"')
    return lake.sql(asked, {"start": start, "end": end, "metric": metric.name})


def _labelled_by(labels: pa.Table) -> dict[tuple[date, str], list[str | None]]:
    found: dict[tuple[date, str], list[str | None]] = {}
    columns = (labels[name].to_pylist() for name in ("day", "interaction_id", "by"))
    for day, interaction_id, who in zip(*columns, strict=True):
        found.setdefault((day, interaction_id), []).append(who)
    return found


def _one_other(who: list[str | None], by: str | None) -> bool:
    return len(who) == 1 and (by is None or who[0] != by)


def _sheets(labels: pa.Table, start: date, end: date) -> tuple[str, ...]:
    """The sheets that rows of these days were asked on before."""
    sheets = {
        row["sheet"]["id"]
        for row in labels.select(["day", "sheet"]).to_pylist()
        if row["sheet"] is not None and start <= row["day"] <= end
    }
    return tuple(sorted(sheets))


def _drawn(
    population: pa.Table, end: date, n: int, seed: int, *, evenly: bool
) -> tuple[list[int], np.ndarray[Any, np.dtype[np.float64]]]:
    size = population.num_rows
    pairs = [population[name].fill_null("").to_pylist() for name in ("app", "route")]
    segments = np.array([f"{app}\x1f{route}" for app, route in zip(*pairs, strict=True)])
    if evenly:
        worths = np.ones(size)
    else:
        age = pc.days_between(population["day"], pa.scalar(end, pa.date32())).to_numpy()
        values = np.clip(population["value"].to_numpy(), 0.0, 1.0)
        worths = worth(values, segments, age)
    chances = inclusion_probabilities(worths, n)
    return draw(chances, segments, seed).tolist(), chances


def _items(
    lake: Lake, design: Design, asked: list[Asked], values: list[float | None]
) -> tuple[Item, ...]:
    found = lake.sql(
        query("label_rows"),
        {
            "start": design.start,
            "end": design.end,
            "ids": [item.interaction_id for item in asked],
        },
    ).to_pylist()
    texts = {(row["day"], row["interaction_id"]): row for row in found}
    items = []
    for item, value in zip(asked, values, strict=True):
        row = texts[item.day, item.interaction_id]
        chunks = tuple((c["id"], c["text"]) for c in row["contexts"] or () if c["text"])
        items.append(
            Item(item, row["app"], row["route"], row["query"], row["response"], chunks, value)
        )
    return tuple(items)


def _nothing(metric: str, start: date, end: date, scored: int, second: bool, by: str | None) -> str:
    days = f"{start} to {end}"
    if not scored:
        return f"No row of {days} has a score of {metric}. Run those nights, or choose other days."
    if second:
        other = f" other than {by}" if by else ""
        return f"No row of {days} was judged by exactly one person{other}. Import their verdicts first."
    return f"All {scored:,} scored rows of {days} are labelled already. Choose other days, or --second."
