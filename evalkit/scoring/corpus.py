"""All chunks that were retrieved lately, to look for one that would have been better; which chunks
these are is asked of the lake in `read_chunks`."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.queries import query
from evalkit.scoring.batch import TextEmbedder
from evalkit.scoring.ranking import Question, saturation
from evalkit.text import sentences
from evalkit.text.sentences import Span
from evalkit.text.tokens import stem, words

if TYPE_CHECKING:
    from evalkit.lake import Lake

__all__ = ["DAYS", "LONGEST", "MOST", "Corpus", "Passage", "read_chunks"]

#: Days whose chunks are looked at. An index turns over within a quarter; what was retrieved before
#: that may be there no more, and then nothing was missed.
DAYS = 90
#: Chunks that are kept at most, the newest ones: their vectors are 300 MB.
MOST = 200_000
#: Chunks with more characters are left out: they are whole documents, in which anything stands.
LONGEST = 20_000
# How many are looked at closely, by meaning and by words each.
_NEAREST = 20


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
    """

    def __init__(self, texts: Iterable[str], embedder: TextEmbedder) -> None:
        self._texts = tuple(
            dict.fromkeys(text for text in texts if text.strip() and len(text) <= LONGEST)
        )
        self._embedder = embedder
        self._vectors = embedder.embed(self._texts)
        self._postings = _postings(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

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
        spans = [tuple(sentences.split(self._texts[k])) for k in chosen]
        pieces = [
            self._texts[k][span.start : span.end]
            for k, of_chunk in zip(chosen, spans, strict=True)
            for span in of_chunk
        ]
        vectors = self._embedder.embed(pieces)
        found, at = [], 0
        for k, of_chunk in zip(chosen, spans, strict=True):
            part = vectors[at : at + len(of_chunk)]
            found.append(Passage(self._texts[k], of_chunk, self._vectors[k], part))
            at += len(of_chunk)
        return found


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
