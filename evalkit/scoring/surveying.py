"""Before a budget is spent: the cheap scores of a shard's rows and what there is to do for them, as a
file. Which rows are drawn is `drawing`'s."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.lake.slices import read_slices, write_slices
from evalkit.prices import PriceList
from evalkit.schema import SCORES_OF_A_BUDGET
from evalkit.scoring import calibration
from evalkit.scoring.batch import Batch
from evalkit.scoring.cheap import CheapTier
from evalkit.scoring.running import Around
from evalkit.scoring.shards import Done, Shard, ShardScorer, Worker, turns_of
from evalkit.scoring.turns import Turns
from evalkit.scoring.work import WORK, work_of

__all__ = ["Both", "BudgetWorker", "Surveyed", "Surveyor"]

_CHEAP = next(column.field() for column in SCORES_OF_A_BUDGET if column.name == "cheap")


@dataclass(frozen=True)
class Surveyed:
    """What a shard's survey came to: which shard, how many rows, in how many seconds, and per scorer
    that needs no models on how many rows it raised."""

    number: int
    rows: int
    seconds: float
    failed: Mapping[str, int] = field(default_factory=dict)


class Surveyor:
    """Surveys shards one after the other."""

    def __init__(self, settings: Settings, embedder: Embedder, prices: PriceList) -> None:
        self._settings = settings
        self._embedder = embedder
        self._prices = prices
        self._models = calibration.load_all(settings.models_path)

    def __call__(self, shard: Shard) -> Surveyed:
        """Survey a shard; the file is there whole or not at all."""
        assert shard.draw is not None
        began = time.monotonic()
        cheap = CheapTier(self._settings, self._embedder, self._prices, shard.fingerprint)
        count = 0

        def parts() -> Iterator[pa.Table]:
            nonlocal count
            for rows in read_slices(shard.rows, self._settings.scoring.batch_rows):
                count += rows.num_rows
                yield self._of(rows, cheap)

        schema = pa.schema([*cheap.schema, _CHEAP, *WORK])
        write_slices(shard.draw.survey, schema, parts())
        return Surveyed(shard.number, count, time.monotonic() - began, cheap.failed)

    def _of(self, rows: pa.Table, cheap: CheapTier) -> pa.Table:
        turns = Turns(turns_of(rows))
        found = cheap.table(rows, Around(turns), rows["content"].to_pylist())
        batch = Batch(rows, self._embedder, self._prices, self._models, turns=turns)
        work = work_of(batch, cheap.costly.values(), self._embedder)
        columns = {
            "place": rows["place"],
            "keys": [list(one.texts) for one in work],
            "tokens": [list(one.texts.values()) for one in work],
            "own": [one.own for one in work],
            "whole": [one.whole for one in work],
        }
        for name in WORK.names:
            found = found.append_column(name, pa.array(columns[name], WORK.field(name).type))
        return found


class Both:
    """Surveys shards whose rows are not chosen yet, and scores the others, with one embedder."""

    def __init__(self, survey: Surveyor, score: ShardScorer) -> None:
        self._survey = survey
        self._score = score

    def __call__(self, shard: Shard) -> Surveyed | Done:
        """What is to be done with a shard next."""
        chosen = shard.draw is None or shard.draw.is_chosen
        return self._score(shard) if chosen else self._survey(shard)


@dataclass(frozen=True)
class BudgetWorker(Worker):
    """Makes a `Both` in a process of its own."""

    def __call__(self) -> Both:
        settings, embedder, scoring = self.opened()
        return Both(
            Surveyor(settings, embedder, self.prices), ShardScorer(settings, scoring, embedder)
        )
