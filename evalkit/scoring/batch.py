"""The rows that scorers see, with everything they share: texts, sentences, chunks and embeddings,
each made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evalkit.prices import PriceList
from evalkit.scoring.lasting import Lasting, Remembered
from evalkit.text import sentences
from evalkit.text.sentences import Span

if TYPE_CHECKING:
    from evalkit.scoring.corpus import Corpus
    from evalkit.scoring.turns import Place, Turns

__all__ = [
    "SENTENCE_LIMITS",
    "Batch",
    "Chunk",
    "Embedded",
    "PairReader",
    "PairReading",
    "TextEmbedder",
    "reader_of",
]

T = TypeVar("T")


class TextEmbedder(Protocol):
    """What a batch needs of the encoders: vectors for texts, each distinct text encoded once."""

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length vectors, float32 [len(texts), dim]."""
        ...


class PairReading(Protocol):
    """What a reader makes of one claim: see `encoders/verifier.py`."""

    @property
    def unsupported(self) -> float: ...

    @property
    def tokens(self) -> NDArray[np.float32]: ...

    @property
    def spans(self) -> NDArray[np.int32]: ...


class PairReader(Protocol):
    """What a batch needs of the verifier: a reading for each (claim, evidence)."""

    def read(self, pairs: Sequence[tuple[str, str]]) -> Sequence[PairReading]: ...


def reader_of(embedder: object) -> PairReader | None:
    """The verifier that an embedder comes with; None where it has none."""
    found: PairReader | None = getattr(embedder, "verifier", None)
    return found


@dataclass(frozen=True)
class Chunk:
    """One retrieved chunk of an interaction."""

    id: str | None
    text: str
    score: float | None
    rank: int
    updated_at: datetime | None


@dataclass(frozen=True)
class Embedded:
    """Vectors of the pieces of every row, ragged.

    Row i has pieces `offsets[i]:offsets[i + 1]` of `vectors` (float32 [m, dim]); `spans[k]` is
    where piece k stands in its text.
    """

    vectors: NDArray[np.float32]
    offsets: NDArray[np.int64]
    spans: list[Span]

    def row(self, i: int) -> NDArray[np.float32]:
        """The vectors of row i, float32 [pieces of i, dim]."""
        return self.vectors[self.offsets[i] : self.offsets[i + 1]]

    def row_spans(self, i: int) -> list[Span]:
        return self.spans[self.offsets[i] : self.offsets[i + 1]]


Field = Literal["query", "response", "contexts"]

#: Characters and sentences of one row up to which its sentences are encoded: a single endless text
#: must not hold up the night. Scorers give longer rows the status `over_budget`.
SENTENCE_LIMITS: Mapping[Field, tuple[int, int]] = {
    "query": (60_000, 400),
    "response": (60_000, 400),
    "contexts": (600_000, 4_000),
}


class Batch:
    """Some interactions and what all scorers share about them.

    Args:
        rows: rows of `interactions`, any number.
        embedder: gives vectors; asked once per field and grain, whatever the number of scorers.
        prices: the price list of the night.
        models: the fitted models that ship with evalkit, by name (see `scoring/calibration.py`).
        turns: where the rows stand in their sessions; without it no row has a session.
        corpus: gives the chunks that could have been retrieved; called when a row needs them.
        verifier: reads claims against evidence; without it scorers rest on words and embeddings.
        lasting: what outlives the batch; without it nothing does.
    """

    def __init__(
        self,
        rows: pa.Table,
        embedder: TextEmbedder,
        prices: PriceList,
        models: Mapping[str, Any],
        *,
        corpus: Callable[[], Corpus] | None = None,
        turns: Turns | None = None,
        verifier: PairReader | None = None,
        lasting: Lasting | None = None,
    ) -> None:
        self.lasting = Lasting() if lasting is None else lasting
        self.rows = rows
        self.verifier = verifier
        self.prices = prices
        self.models = models
        self._embedder = embedder
        self._turns = turns
        self._corpus = corpus
        self._memo: dict[object, Any] = {}
        #: Rows for which the corpus was asked for: their scores rest on it.
        self.searched: set[int] = set()

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def memo(self, key: object, make: Callable[[], T]) -> T:
        """What `make` gives, made once per batch: features that several scorers share."""
        if key not in self._memo:
            self._memo[key] = make()
        value: T = self._memo[key]
        return value

    def corpus(self, row: int) -> Corpus | None:
        """All chunks that were retrieved lately, to search for a row; None where they are not known."""
        if self._corpus is None:
            return None
        self.searched.add(row)
        return self._corpus()

    def strings(self, column: str) -> list[str | None]:
        """A text column; NULL and blank are None."""

        def make() -> list[str | None]:
            values = self.values(column)
            return [v if v is not None and v.strip() else None for v in values]

        return self.memo(("strings", column), make)

    def floats(self, column: str) -> NDArray[np.float64]:
        """A number column, float64 [n]; NULL is NaN."""
        return self.memo(
            ("floats", column),
            lambda: np.array(
                [np.nan if v is None else float(v) for v in self.values(column)], dtype=np.float64
            ),
        )

    def values(self, column: str) -> list[Any]:
        """A column as Python values."""
        return self.memo(("values", column), lambda: self.rows.column(column).to_pylist())

    def chunks(self) -> list[list[Chunk]]:
        """The chunks of each row that have text, best rank first."""

        def make() -> list[list[Chunk]]:
            rows: list[list[Chunk]] = []
            for value in self.values("contexts"):
                row: list[Chunk] = []
                for position, item in enumerate(value or []):
                    if item is None or not (item.get("text") or "").strip():
                        continue
                    rank = item.get("rank")
                    row.append(
                        Chunk(
                            item.get("id"),
                            item["text"],
                            item.get("score"),
                            position + 1 if rank is None else int(rank),
                            item.get("updated_at"),
                        )
                    )
                row.sort(key=lambda chunk: chunk.rank)
                rows.append(row)
            return rows

        return self.memo("chunks", make)

    def sentences(self, field: Field) -> list[list[list[Span]]]:
        """Sentence spans: per row, per text of the row (one for query and response, one per chunk).

        Texts of a row with more characters than `SENTENCE_LIMITS` allows are not split: they have
        no spans.
        """
        limit, _ = SENTENCE_LIMITS[field]
        known: Remembered[list[Span]] = self.lasting.get("sentences", Remembered)

        def split(text: str) -> list[Span]:
            return known.of(text, lambda: sentences.split(text))

        def make() -> list[list[list[Span]]]:
            return [
                [[] if sum(map(len, texts)) > limit else split(text) for text in texts]
                for texts in self._texts(field)
            ]

        return self.memo(("sentences", field), make)

    def over_budget(self, field: Field) -> list[bool]:
        """Which rows are beyond `SENTENCE_LIMITS`: `embed(field, by="sentence")` has no pieces of
        them."""

        def make() -> list[bool]:
            chars, sentences_ = SENTENCE_LIMITS[field]
            return [
                sum(map(len, texts)) > chars or sum(map(len, spans)) > sentences_
                for texts, spans in zip(self._texts(field), self.sentences(field), strict=True)
            ]

        return self.memo(("over_budget", field), make)

    def embed(self, field: Field, by: Literal["text", "sentence"]) -> Embedded:
        """Vectors of a field, whole texts (cut at the model's limit) or sentence by sentence.

        Rows without the field have no pieces, and rows over budget have none by sentence.
        `contexts` by text gives one piece per chunk.
        """

        def make() -> Embedded:
            pieces: list[str] = []
            spans: list[Span] = []
            offsets = [0]
            texts = self._texts(field)
            split = self.sentences(field) if by == "sentence" else None
            beyond = self.over_budget(field) if by == "sentence" else [False] * len(texts)
            for i, row in enumerate(texts):
                for k, text in enumerate(() if beyond[i] else row):
                    found = [Span(0, len(text))] if split is None else split[i][k]
                    for span in found:
                        pieces.append(text[span.start : span.end])
                        spans.append(span)
                offsets.append(len(pieces))
            vectors = (
                self._embedder.embed(pieces)
                if pieces
                else np.zeros((0, self._embedder.dim), dtype=np.float32)
            )
            return Embedded(vectors, np.asarray(offsets, dtype=np.int64), spans)

        return self.memo(("embed", field, by), make)

    def places(self) -> list[Place | None]:
        """Where each row stands in its session; None where it belongs to none."""
        turns = self._turns
        if turns is None:
            return [None] * len(self)
        return self.memo("places", lambda: [turns.of(id_) for id_ in self.values("interaction_id")])

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts that are no field of the rows, float32 [len(texts), dim]."""
        if not texts:
            return np.zeros((0, self._embedder.dim), dtype=np.float32)
        return self._embedder.embed(texts)

    def _texts(self, field: Field) -> list[list[str]]:
        if field == "contexts":
            return [[chunk.text for chunk in row] for row in self.chunks()]
        return [[] if text is None else [text] for text in self.strings(field)]
