"""One shard: a file of rows with all that they rest on becomes a file of scores. What a worker does,
in whatever process; how rows are cut is `planning`'s."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.errors import EngineError
from evalkit.lake.slices import read_slices, write_slices
from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS, SCORES_OF_A_BUDGET
from evalkit.scoring.cheap import costly, with_budget, without_search
from evalkit.scoring.corpus import Corpus, SharedCorpus
from evalkit.scoring.running import Around, Scoring
from evalkit.scoring.staging import Staging
from evalkit.scoring.turns import TURNS, Turns

__all__ = ["CHOICE", "ROWS", "TURN", "Done", "Draw", "Shard", "ShardScorer", "Worker", "turns_of"]

#: Where a row stands in its session; NULL where it belongs to none.
TURN = pa.struct(list(TURNS))
#: The columns of a shard: the row, its place in the day, its turn, its fingerprint.
ROWS = pa.schema(
    [*INTERACTIONS.schema, ("place", pa.int64()), ("turn", TURN), ("content", pa.string())]
)


#: Which rows of a shard are drawn.
CHOICE = pa.schema([("place", pa.int64()), ("probability", pa.float64()), ("is_drawn", pa.bool_())])


@dataclass(frozen=True)
class Draw:
    """Where a shard that is scored under a budget says what was found of its rows, and which are drawn.

    Attributes:
        survey: the file of their cheap scores and of their work (`surveying`).
        choice: the file of `CHOICE`.
        budget: in seconds, as scores state it.
        is_chosen: whether that was said already; before it the shard is only surveyed.
        searches: whether the corpus may be searched; it costs more than there is to spend otherwise.
    """

    survey: Path
    choice: Path
    budget: str
    is_chosen: bool = False
    searches: bool = True

    @classmethod
    def of(cls, staging: Staging, number: int, budget: str) -> Draw:
        """The files of a shard in the folder of its run."""
        folder = staging.folder
        return cls(
            folder / f"survey-{number:06d}.parquet", folder / f"choice-{number:06d}.parquet", budget
        )


@dataclass(frozen=True)
class Shard:
    """Some rows of a day that are to be scored.

    Attributes:
        number: which of the day's shards.
        day: the day.
        rows: the file that has them.
        result: the file that their scores are to be in.
        fingerprint: of what they are to be scored with.
        corpus: what could have been retrieved.
        draw: which rows models read, under a budget; None: all.
    """

    number: int
    day: date
    rows: Path
    result: Path
    fingerprint: str
    corpus: SharedCorpus
    draw: Draw | None = None

    def __str__(self) -> str:
        return f"{self.day}, shard {self.number} ({self.rows})"


@dataclass(frozen=True)
class Done:
    """What a shard came to, besides its file.

    Attributes:
        number: which shard.
        failed: per scorer that raised, on how many rows.
        embedded, cached: texts that went through the model, and that the cache had.
        seconds: how long the rows took that were scored in full.
    """

    number: int
    failed: Mapping[str, int] = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0
    seconds: float = 0.0

    def stated(self) -> dict[str, str]:
        """As its file says it."""
        return {"done": json.dumps(asdict(self))}

    @classmethod
    def of(cls, result: Path) -> Done:
        """What the file of a shard's scores says."""
        return cls(**json.loads(pq.read_metadata(result).metadata[b"done"]))


class ShardScorer:
    """Scores shards one after the other, with everything loaded once."""

    def __init__(self, settings: Settings, scoring: Scoring, embedder: Embedder) -> None:
        self._rows = settings.scoring.batch_rows
        self._scoring = scoring
        self._embedder = embedder
        self._corpus: tuple[SharedCorpus, Corpus] | None = None

    def __call__(self, shard: Shard) -> Done:
        """Score a shard; its result is there whole or not at all.

        Raises:
            EngineError: this worker has other scorers, models or prices.
        """
        scoring = self._scoring
        if scoring.fingerprint != shard.fingerprint:
            raise EngineError(
                f"{shard}: this worker would score with {scoring.fingerprint}, the night is scored "
                f"with {shard.fingerprint}. Install the same evalkit, models and extensions on all "
                "workers."
            )
        # A worker may be lost between its file and its answer: then the file is the answer.
        if not shard.result.exists():
            draw = shard.draw
            more = () if draw is None else [column.field() for column in SCORES_OF_A_BUDGET]
            schema = pa.schema([("place", pa.int64()), *scoring.schema, *more])
            needed = scoring.scorers if draw is None else costly(scoring.scorers)
            self._seconds = 0.0
            failed, before = Counter(scoring.failed), self._embedder.stats

            def done() -> dict[str, str]:
                after = self._embedder.stats
                return Done(
                    shard.number,
                    {n: k for n, k in (scoring.failed - failed).items() if n in needed},
                    after.encoded - before.encoded,
                    after.hits - before.hits,
                    self._seconds,
                ).stated()

            made = self._scores(shard) if draw is None else self._drawn(shard, draw)
            write_slices(shard.result, schema, made, done)
        return Done.of(shard.result)

    def _scores(self, shard: Shard) -> Iterator[pa.Table]:
        for rows in read_slices(shard.rows, self._rows):
            yield self._scored(shard, rows)

    def _drawn(self, shard: Shard, draw: Draw) -> Iterator[pa.Table]:
        """The scores of rows that are drawn, and the cheap ones of those that are not."""
        parts = (read_slices(path, self._rows) for path in (shard.rows, draw.survey, draw.choice))
        for rows, cheap, choice in zip(*parts, strict=True):
            chance = choice["probability"].to_numpy()
            is_drawn = choice["is_drawn"].to_numpy(zero_copy_only=False)
            mine = pa.array(is_drawn)
            found = cheap.filter(pc.invert(mine)).select(["place", *self._scoring.schema.names])
            if is_drawn.any():
                began = time.monotonic()
                full = self._scored(shard, rows.filter(mine))
                self._seconds += time.monotonic() - began
                full = (
                    full
                    if draw.searches
                    else without_search(full, rows.filter(mine), self._scoring)
                )
                found = pa.concat_tables([full, found]).sort_by("place")
            yield with_budget(found, draw.budget, chance, is_drawn, cheap["cheap"])

    def _scored(self, shard: Shard, rows: pa.Table) -> pa.Table:
        turns, searches = Turns(turns_of(rows)), shard.draw is None or shard.draw.searches
        corpus = (lambda: self._searched(shard)) if searches else None
        around = Around(turns, corpus, shard.corpus.fingerprint)
        made = self._scoring.table(rows, around, rows["content"].to_pylist())
        return made.add_column(0, "place", rows["place"])

    def _searched(self, shard: Shard) -> Corpus:
        if self._corpus is None or self._corpus[0] != shard.corpus:
            self._corpus = (shard.corpus, shard.corpus.opened(self._embedder))
        return self._corpus[1]


@dataclass(frozen=True)
class Worker:
    """Makes a `ShardScorer` in a process of its own, with what the configuration says.

    Attributes:
        settings: the night's.
        prices: what tokens cost.
        threads: processor threads of its encoder.
    """

    settings: Settings
    prices: PriceList
    threads: int

    def __call__(self) -> Callable[[Shard], object]:
        settings, embedder, scoring = self.opened()
        return ShardScorer(settings, scoring, embedder)

    def opened(self) -> tuple[Settings, Embedder, Scoring]:
        """What the process works with."""
        encoder = self.settings.encoder.model_copy(update={"threads": self.threads})
        settings = self.settings.model_copy(update={"encoder": encoder})
        embedder = open_embedder(settings)
        return settings, embedder, Scoring(settings, embedder, self.prices)


def turns_of(rows: pa.Table) -> pa.Table:
    """The turns of a shard's rows, of those that have one."""
    found = [turn for turn in rows["turn"].to_pylist() if turn is not None]
    return pa.Table.from_pylist(found, pa.schema(list(TURNS)))
