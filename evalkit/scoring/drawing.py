"""Draws the rows of a day that the models read under a budget, from what its shards' surveys found,
and keeps the account of it. Reads and writes files of the run's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.lake import Lake
from evalkit.lake.slices import write_slices
from evalkit.metrics import Metric
from evalkit.scoring.budget import Allowance, Spent, allowed, corpus_work, spent
from evalkit.scoring.cheap import costly
from evalkit.scoring.choosing import Candidates, Chosen, choose, rarity
from evalkit.scoring.planning import DayPlan
from evalkit.scoring.running import Scoring
from evalkit.scoring.shards import CHOICE, Done, Shard
from evalkit.scoring.surveying import Surveyed
from evalkit.scoring.work import WORK

__all__ = ["Drawing", "draw_rows"]

_SLICE = 4_096
#: A row to which none of the costly metrics applies: reading it tells next to nothing.
_IDLE = -0.9


class Drawing:
    """One day's draw and its account."""

    def __init__(
        self, settings: Settings, lake: Lake, day: date, embedder: Embedder, scoring: Scoring
    ) -> None:
        self._settings = settings
        self._lake = lake
        self._day = day
        self._embedder = embedder
        self._scoring = scoring
        self._found: tuple[Allowance, Chosen, bool] | None = None

    def draw(
        self, plan: DayPlan, shards: Sequence[Shard], surveys: Sequence[Surveyed]
    ) -> list[Shard]:
        """The shards, each with a file that says which of its rows are drawn."""
        if not shards:
            return []
        allowance = allowed(self._settings, self._lake, self._day, self._embedder, surveys)
        dear: int | None = 0
        if any("corpus" in scorer.needs for scorer in self._scoring.scorers.values()):
            dear = corpus_work(plan.corpus, self._embedder, allowance.tokens)
        searches = dear is not None
        chosen = draw_rows(
            shards,
            self._scoring,
            self._settings.rollup.segments,
            plan.standing_draws(),
            allowance.tokens - (dear or 0),
            f"{self._day} {plan.budget}",
        )
        searches = searches or bool(chosen.is_drawn.all())
        self._found = (allowance, chosen, searches)
        return [
            replace(shard, draw=replace(shard.draw, is_chosen=True, searches=searches))
            for shard in shards
            if shard.draw is not None
        ]

    def account(self, surveys: Sequence[Surveyed], done: Sequence[Done]) -> Spent | None:
        """What was spent on what; None where no row had to be scored."""
        if self._found is None:
            return None
        allowance, chosen, searches = self._found
        needing = costly(self._scoring.scorers).values()
        metrics = sorted(metric.name for scorer in needing for metric in scorer.metrics)
        return spent(allowance, chosen, surveys, done, searches, metrics)


def draw_rows(
    shards: Sequence[Shard],
    scoring: Scoring,
    segments: Sequence[str],
    standing: Mapping[int, tuple[float, bool]],
    allowance: float,
    seed: str,
) -> Chosen:
    """Draw the rows of surveyed shards, and write for each shard which of its rows are drawn.

    Args:
        shards: all that there are.
        scoring: its metrics say what a reading would tell.
        segments: columns whose rare values are wanted.
        standing: by place the draws that stand.
        allowance: tokens that may be read.
        seed: of the draw.
    """
    judged = _judged(scoring)
    candidates, places = Candidates(), list[np.ndarray[Any, np.dtype[np.int64]]]()
    values: list[list[str | None]] = [[] for _ in segments]
    needing = costly(scoring.scorers).values()
    applies: dict[str, list[NDArray[np.bool_]]] = {m.name: [] for s in needing for m in s.metrics}
    for shard in shards:
        assert shard.draw is not None
        names = ["interaction_id", "cheap", *WORK.names]
        for part in _columns(shard.draw.survey, names):
            new = np.array([place not in standing for place in part["place"].to_pylist()])
            _gather(candidates, part.filter(pa.array(new)), judged, sum(map(len, places)))
            for name, parts in applies.items():
                known = pc.map_lookup(part["cheap"], name, "first").is_valid()
                parts.append(known.to_numpy().astype(np.bool_)[new])
            places.append(part["place"].to_numpy()[new])
        for part in _columns(shard.rows, ["place", *segments]):
            new = np.array([place not in standing for place in part["place"].to_pylist()])
            for k, name in enumerate(segments):
                values[k] += part.filter(pa.array(new))[name].cast(pa.string()).to_pylist()
    n = len(candidates.ids)
    rare = rarity(values, n, (np.concatenate(parts) for parts in applies.values()))
    chosen = choose(candidates, rare, allowance, seed)
    at = np.concatenate(places) if places else np.zeros(0, np.int64)
    for shard in shards:
        _write(shard, at, chosen, standing)
    return chosen


def _judged(scoring: Scoring) -> list[Metric]:
    """The metrics whose doubt makes a row worth reading: the headline ones between 0 and 1, else all."""
    known = [
        metric
        for scorer in scoring.scorers.values()
        for metric in scorer.metrics
        if "embeddings" in scorer.needs and metric.scale == "linear"
    ]
    return [metric for metric in known if metric.headline] or known


def _gather(candidates: Candidates, part: pa.Table, judged: Sequence[Metric], first: int) -> None:
    candidates.ids += part["interaction_id"].to_pylist()
    names = {metric.name for metric in judged}
    candidates.unsure.append(np.array([_doubt(row, names) for row in part["cheap"].to_pylist()]))
    candidates.own.append(part["own"].to_numpy())
    candidates.whole.append(part["whole"].to_numpy())
    keys = part["keys"].combine_chunks()
    lengths = keys.value_lengths().to_numpy(zero_copy_only=False)
    candidates.keys.append(keys.flatten().to_numpy(zero_copy_only=False))
    candidates.tokens.append(
        part["tokens"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    )
    candidates.at.append(np.repeat(np.arange(first, first + len(lengths)), lengths))


def _doubt(cheap: Sequence[tuple[str, float | None]] | None, names: set[str]) -> float:
    """Mean spread of a verdict with the probability that words give, over its largest, in [0, 1]."""
    if not cheap:
        return _IDLE
    known = [value for name, value in cheap if name in names and value is not None]
    return float(np.mean([2 * np.sqrt(v * (1 - v)) for v in known])) if known else 0.0


def _columns(file: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(file, pre_buffer=False) as opened:
        for batch in opened.iter_batches(_SLICE, columns=list(names), use_threads=False):
            yield pa.Table.from_batches([batch]).select(names)


def _write(
    shard: Shard,
    at: np.ndarray[Any, np.dtype[np.int64]],
    chosen: Chosen,
    standing: Mapping[int, tuple[float, bool]],
) -> None:
    assert shard.draw is not None
    parts = []
    for part in _columns(shard.rows, ["place"]):
        places = part["place"].to_numpy()
        where = np.searchsorted(at, places)
        chance, drawn = np.zeros(len(places)), np.zeros(len(places), dtype=np.bool_)
        for k, place in enumerate(places.tolist()):
            if place in standing:
                chance[k], drawn[k] = standing[place]
            else:
                chance[k], drawn[k] = chosen.probability[where[k]], chosen.is_drawn[where[k]]
        parts.append(pa.table([part["place"], pa.array(chance), pa.array(drawn)], schema=CHOICE))
    write_slices(shard.draw.choice, CHOICE, parts)
