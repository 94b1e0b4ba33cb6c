"""The score step: reads the interactions of a day, has them scored shard by shard, and replaces that
day of `scores` in one commit."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.engine import Crew, Task, open_crew
from evalkit.lake import Lake, ledger
from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring.assembling import Assembly
from evalkit.scoring.budget import Spent, budget_of, encoder_of
from evalkit.scoring.drawing import Drawing
from evalkit.scoring.planning import DayPlan
from evalkit.scoring.running import Scoring
from evalkit.scoring.shards import Done, Shard, ShardScorer
from evalkit.scoring.staging import Staging, staged
from evalkit.scoring.surveying import Both, BudgetWorker, Surveyed, Surveyor

__all__ = ["Scored", "score"]


@dataclass(frozen=True)
class Scored:
    """What the step did.

    Attributes:
        day: the day.
        interactions: rows of the day, all of which have a row of scores.
        metrics: per metric, how many rows have a value.
        errors: per scorer that raised, on how many rows.
        embedded, cached: texts that went through the model, and that the cache had.
        kept: rows whose scores stand from before, because nothing has changed for them.
        spent: what the budget was spent on; None without one, and where nothing had to be scored.
    """

    day: date
    interactions: int
    metrics: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0
    kept: int = 0
    spent: Spent | None = None

    def __str__(self) -> str:
        stood = (
            f"; {self.kept:,} kept, {self.interactions - self.kept:,} scored" if self.kept else ""
        )
        failed = "".join(f"; {name} failed on {n:,} rows" for name, n in self.errors.items())
        budget = "" if self.spent is None else f"; {self.spent}"
        return (
            f"{self.interactions:,} interactions, {len(self.metrics)} metrics{stood}; "
            f"{self.embedded:,} texts embedded, {self.cached:,} from the cache{budget}{failed}"
        )


def score(
    settings: Settings,
    lake: Lake,
    day: date,
    embedder: Embedder,
    prices: PriceList,
    *,
    fresh: bool = False,
    crew: Crew | None = None,
) -> Scored:
    """Score the interactions of one day, replacing that day of `scores` in one commit.

    Rows for which nothing has changed since they were scored keep their scores
    (`keeping.may_stay`), also those that a killed run had finished; a day of which nothing changed
    is not committed. The ledger's hours then say how many were scored. What is held in memory does
    not grow with the day.

    Under a budget all rows get the cheap tier first, and then as many of them the models as are
    allowed: drawn with known probabilities, so that the figures are those of all rows.

    Args:
        settings: which scorers, how many rows are held in memory at a time, where shards go.
        lake: holds `interactions`.
        day: the day; without interactions it is replaced by no rows.
        embedder: gives vectors, in this process; other workers open their own.
        prices: what tokens cost.
        fresh: score every row, whatever is stored.
        crew: who scores; without it workers as `[engine]` says, for this day alone.

    Raises:
        ModelError: the embedding model is needed and cannot be loaded.
        EngineError: workers cannot be started, or are lost again and again.
        CommitConflictError: another run replaced the same day meanwhile.
        LakeError: a table cannot be read or written.
    """
    scoring, budget = Scoring(settings, embedder, prices), budget_of(settings)
    with ExitStack() as stack:
        staging = stack.enter_context(staged(settings.staging_path, day, fresh=fresh))
        crew = stack.enter_context(open_crew(settings)) if crew is None else crew
        plan = DayPlan(
            lake.pinned(INTERACTIONS, SCORES),
            day,
            staging,
            scoring.schema if budget is None else scoring.budget_schema,
            scoring.fingerprint,
            settings.engine.shard_rows,
            fresh,
            budget,
        )
        task = _task(settings, scoring, embedder, prices, crew)
        surveys, outlay = list[Surveyed](), None
        if budget is None:
            done = _run(crew, task, plan.shards(), staging)
        else:
            shards = list[Shard]()
            surveys = list(crew.run(task, _kept_in(plan.shards(), shards)))
            drawing = Drawing(settings, lake, day, embedder, scoring)
            shards = drawing.draw(plan, shards, surveys)
            done = _run(crew, task, shards, staging)
            outlay = drawing.account(surveys, done)
        assembly = Assembly(plan, settings)
        lake.adopt(SCORES, day, assembly.write())
    ledger.record_scored(lake, day, assembly.hours)
    if budget is None:
        ledger.record_spent(lake, day, None)
    elif outlay is not None:
        ledger.record_spent(lake, day, outlay.stated(budget, encoder_of(embedder)))
    failed = Counter[str]()
    for counts in [*(one.failed for one in surveys), *(one.failed for one in done)]:
        failed.update(counts)
    return Scored(
        day=day,
        interactions=plan.rows,
        metrics={name: assembly.valued[name] for name in scoring.metrics},
        errors=dict(sorted(failed.items())),
        embedded=sum(one.embedded for one in done),
        cached=sum(one.cached for one in done),
        kept=plan.kept,
        spent=outlay,
    )


def _run(crew: Crew, task: Task, shards: Iterable[Shard], staging: Staging) -> list[Done]:
    found = []
    for done in crew.run(task, shards):
        staging.shard(done.number).unlink()
        found.append(done)
    return found


def _kept_in(shards: Iterable[Shard], held: list[Shard]) -> Iterator[Shard]:
    """Shards as they pass by, kept to be given out a second time."""
    for shard in shards:
        held.append(shard)
        yield shard


def _task(
    settings: Settings, scoring: Scoring, embedder: Embedder, prices: PriceList, crew: Crew
) -> Task:
    """What workers do with a shard: here with what is open already, elsewhere with their own."""
    if crew.here:

        def make() -> Both:
            survey = Surveyor(settings, embedder, prices)
            return Both(survey, ShardScorer(settings, scoring, embedder))

        return Task(scoring.fingerprint, make)
    text = repr((scoring.fingerprint, settings.fingerprint, str(settings.base)))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Task(key, BudgetWorker(settings, prices, _threads(settings)))


def _threads(settings: Settings) -> int:
    """The threads of each worker: its share of this machine's, where they are on it."""
    if settings.engine.address is not None:
        return settings.encoder.threads or 1
    have = settings.encoder.threads or len(os.sched_getaffinity(0))
    return max(1, have // settings.engine.workers)
