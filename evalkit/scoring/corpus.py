"""All chunks that were retrieved lately, to look for one that would have been better; which chunks
these are is asked of the lake in `read_chunks`."""

from __future__ import annotations

import uuid
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from evalkit.queries import query
from evalkit.scoring.batch import TextEmbedder
from evalkit.scoring.keeping import corpus_fingerprint
from evalkit.scoring.lasting import Remembered
from evalkit.scoring.ranking import Question, saturation
from evalkit.text import sentences
from evalkit.text.sentences import Span
from evalkit.text.tokens import stem, words

if TYPE_CHECKING:
    from evalkit.lake import Lake

__all__ = ["DAYS", "LONGEST", "MOST", "Corpus", "Passage", "SharedCorpus", "read_chunks"]

#: Days whose chunks are looked at. An index turns over within a quarter; what was retrieved before
#: that may be there no more, and then nothing was missed.
DAYS = 90
#: Chunks that are kept at most, the newest ones: their vectors are 300 MB.
MOST = 200_000
#: Chunks with more characters are left out: they are whole documents, in which anything stands.
LONGEST = 20_000
# How many are looked at closely, by meaning and by words each.
_NEAREST = 20
# Characters of the chunks that are remembered ready to be looked at, with 15 bytes of vectors each.
_REMEMBERED = 2_000_000


@dataclass(frozen=True)
class Passage:
    """A chunk of the corpus: its text, its sentences and their vectors (float32 [., dim])."""

    text: str
    spans: tuple[Span, ...]
    whole: NDArray[np.float32]
    pieces: NDArray[np.float32]


class Corpus:
    """Distinct chunks, searched by meaning and by words; never changed once it is made.

    Args:
        texts: the chunks; blank, overlong and repeated ones are left out.
        embedder: gives vectors, mostly from its cache: each chunk was embedded when it was scored.
        vectors: those of the distinct texts, where they are known; float32 [., dim].
    """

    def __init__(
        self,
        texts: Iterable[str],
        embedder: TextEmbedder,
        vectors: NDArray[np.float32] | None = None,
    ) -> None:
        self._texts = tuple(
            dict.fromkeys(text for text in texts if text.strip() and len(text) <= LONGEST)
        )
        self._embedder = embedder
        self._vectors = embedder.embed(self._texts) if vectors is None else vectors
        self._postings = _postings(self._texts)
        self._known = Remembered[Passage](_REMEMBERED)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors of all chunks, float32 [., dim]."""
        return self._vectors

    def search(
        self, question: Question, asked: NDArray[np.float32], without: Collection[str] = ()
    ) -> list[Passage]:
        """The chunks nearest to a question, by meaning and by words, in no order of merit.

        Args:
            question: its words.
            asked: its unit vector, float32 [dim].
            without: texts that are not wanted, because they were retrieved.
        Returns:
            Up to 20 by cosine and as many by BM25, each once.
        """
        known = set(without)
        wanted = _NEAREST + len(known)
        # All products have one shape, and rounding makes ties of what only differs in its last
        # bits.
        near = np.round(self._vectors @ asked, 6).astype(np.float64)
        by_words = np.zeros(len(self._texts))
        for word, weight in zip(question.stems, question.weight.tolist(), strict=True):
            if word in self._postings:
                chunks, share = self._postings[word]
                by_words[chunks] += weight * share
        found: dict[int, None] = {}
        for score in (near, by_words):
            fresh = [k for k in _top(score, wanted) if self._texts[k] not in known and score[k] > 0]
            found.update(dict.fromkeys(fresh[:_NEAREST]))
        return self._passages(list(found))

    def _passages(self, chosen: list[int]) -> list[Passage]:
        """The chosen chunks; questions lead to many of them again and again."""
        lacking = [k for k in chosen if self._texts[k] not in self._known]
        made = dict(zip(lacking, self._made(lacking), strict=True))

        def passage(k: int) -> Passage:
            return made[k] if k in made else self._made([k])[0]

        return [self._known.of(self._texts[k], partial(passage, k)) for k in chosen]

    def _made(self, chosen: list[int]) -> list[Passage]:
        spans = [tuple(sentences.split(self._texts[k])) for k in chosen]
        pieces = [
            self._texts[k][span.start : span.end]
            for k, of_chunk in zip(chosen, spans, strict=True)
            for span in of_chunk
        ]
        vectors = self._embedder.embed(pieces)
        found, at = [], 0
        for k, of_chunk in zip(chosen, spans, strict=True):
            part = vectors[at : at + len(of_chunk)].copy()
            found.append(Passage(self._texts[k], of_chunk, self._vectors[k], part))
            at += len(of_chunk)
        return found


@dataclass(frozen=True)
class SharedCorpus:
    """The corpus of a day for all who score it: read from the lake when the first of them needs it,
    then from files. A day without a bad answer never reads it.

    Whoever makes a file makes the same one: the lake is pinned, and texts are in their own order.

    Attributes:
        folder: where the files are.
        lake: pinned.
        day: the day.
    """

    folder: Path
    lake: Lake = field(compare=False)
    day: date

    def fingerprint(self) -> str:
        """Hash of the chunks, as `corpus_fingerprint` of `keeping` makes it."""
        found: bytes = self._texts().schema.metadata[b"fingerprint"]
        return found.decode()

    def texts(self) -> list[str]:
        """The chunks."""
        found: list[str] = self._texts()["text"].to_pylist()
        return found

    def opened(self, embedder: TextEmbedder) -> Corpus:
        """The corpus, to be searched; its vectors are mapped, so processes of one machine have them
        in memory once."""
        texts = self.texts()
        path = self.folder / "corpus.npy"
        if not path.exists():
            made = Corpus(texts, embedder)
            with _whole(path) as part, part.open("wb") as file:
                np.save(file, made.vectors)
        return Corpus(texts, embedder, np.load(path, mmap_mode="r"))

    def _texts(self) -> pa.Table:
        path = self.folder / "corpus.parquet"
        if not path.exists():
            texts = sorted(read_chunks(self.lake, self.day))
            schema = pa.schema([("text", pa.string())], {"fingerprint": corpus_fingerprint(texts)})
            with _whole(path) as part:
                pq.write_table(pa.table([texts], schema=schema), part, compression="zstd")
        return pq.read_table(path, partitioning=None)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name to write under; then the file is there, whole."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    yield part
    part.replace(path)


def read_chunks(lake: Lake, day: date) -> list[str]:
    """The distinct chunks of the last `DAYS` days up to `day`, newest first, at most `MOST`."""
    found = lake.sql(
        query("corpus_chunks"),
        {"start": day - timedelta(days=DAYS - 1), "end": day, "longest": LONGEST, "most": MOST},
    )
    texts: list[str] = found.column("text").to_pylist()
    return texts


def _postings(
    texts: Iterable[str],
) -> dict[str, tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """For each stem the chunks that hold it, rising, and BM25's share of its weight in each."""
    known: dict[str, str] = {}

    def stem_of(word: str) -> str:
        found = known.get(word)
        if found is None:
            found = known[word] = stem(word)
        return found

    chunks: dict[str, array[int]] = {}
    shares: dict[str, array[float]] = {}
    for k, text in enumerate(texts):
        folded = [stem_of(word) for word in words(text)]
        counts = Counter(folded)
        share = saturation(np.fromiter(counts.values(), np.int64, len(counts)), len(folded))
        for word, value in zip(counts, share.tolist(), strict=True):
            chunks.setdefault(word, array("i")).append(k)
            shares.setdefault(word, array("f")).append(value)
    return {
        word: (np.frombuffer(chunks[word], np.int32), np.frombuffer(shares[word], np.float32))
        for word in chunks
    }


def _top(score: NDArray[np.float64], k: int) -> list[int]:
    """The k highest, best first; of equal ones the first."""
    if not 0 < k < len(score):
        chosen = np.arange(len(score))
    else:
        chosen = np.flatnonzero(score >= np.partition(score, -k)[-k])
    order = np.lexsort((chosen, -score[chosen]))
    found: list[int] = chosen[order][:k].tolist()
    return found
