"""One shard: a file of rows with all that they rest on becomes a file of scores. What a worker does,
in whatever process; how rows are cut is `planning`'s."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder
from evalkit.errors import EngineError
from evalkit.lake.slices import read_slices, write_slices
from evalkit.prices import PriceList
from evalkit.schema import INTERACTIONS
from evalkit.scoring.corpus import Corpus, SharedCorpus
from evalkit.scoring.running import Around, Scoring
from evalkit.scoring.turns import TURNS, Turns

__all__ = ["ROWS", "TURN", "Done", "Shard", "ShardScorer", "Worker"]

#: Where a row stands in its session; NULL where it belongs to none.
TURN = pa.struct(list(TURNS))
#: The columns of a shard: the row, its place in the day, its turn, its fingerprint.
ROWS = pa.schema(
    [*INTERACTIONS.schema, ("place", pa.int64()), ("turn", TURN), ("content", pa.string())]
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
    """

    number: int
    day: date
    rows: Path
    result: Path
    fingerprint: str
    corpus: SharedCorpus

    def __str__(self) -> str:
        return f"{self.day}, shard {self.number} ({self.rows})"


@dataclass(frozen=True)
class Done:
    """What a shard came to, besides its file.

    Attributes:
        number: which shard.
        failed: per scorer that raised, on how many rows.
        embedded, cached: texts that went through the model, and that the cache had.
    """

    number: int
    failed: Mapping[str, int] = field(default_factory=dict)
    embedded: int = 0
    cached: int = 0

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
            schema = pa.schema([("place", pa.int64()), *scoring.schema])
            failed, before = Counter(scoring.failed), self._embedder.stats

            def done() -> dict[str, str]:
                after = self._embedder.stats
                return Done(
                    shard.number,
                    dict(scoring.failed - failed),
                    after.encoded - before.encoded,
                    after.hits - before.hits,
                ).stated()

            write_slices(shard.result, schema, self._scores(shard), done)
        return Done.of(shard.result)

    def _scores(self, shard: Shard) -> Iterator[pa.Table]:
        for rows in read_slices(shard.rows, self._rows):
            turns = Turns(_turns(rows))
            around = Around(turns, lambda: self._searched(shard), shard.corpus.fingerprint)
            made = self._scoring.table(rows, around, rows["content"].to_pylist())
            yield made.add_column(0, "place", rows["place"])

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

    def __call__(self) -> ShardScorer:
        encoder = self.settings.encoder.model_copy(update={"threads": self.threads})
        settings = self.settings.model_copy(update={"encoder": encoder})
        embedder = open_embedder(settings)
        return ShardScorer(settings, Scoring(settings, embedder, self.prices), embedder)


def _turns(rows: pa.Table) -> pa.Table:
    """The turns of a shard's rows, of those that have one."""
    found = [turn for turn in rows["turn"].to_pylist() if turn is not None]
    return pa.Table.from_pylist(found, pa.schema(list(TURNS)))
