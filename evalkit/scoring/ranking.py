"""How likely a chunk is to speak of what was asked, and to answer it: question and chunk as named
numbers for two shipped models. What follows from it is decided by the scorers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.calibration import Logistic
from evalkit.scoring.lasting import Remembered
from evalkit.scoring.similarity import cosines
from evalkit.text.rarity import rarity
from evalkit.text.sentences import Span
from evalkit.text.tokens import is_content, stem, words

__all__ = [
    "CHUNK_INPUTS",
    "RELEVANCE_INPUTS",
    "Judged",
    "Question",
    "Readable",
    "Reader",
    "chunk_inputs",
    "chunks_inputs",
    "judge",
    "judged",
    "reader_of",
    "saturation",
]

#: What is known of a question and a chunk; inputs of the model `context_sufficiency`. Each is made
#: so that higher means nearer to an answer.
CHUNK_INPUTS = (
    "cosine",  # of the question to the whole chunk (cut at the encoder's limit)
    "cosine_sentence",  # to its nearest sentence, or pair of neighbouring ones
    "saturated",  # BM25 over the most that BM25 could be
    "coverage",  # of the question's content words (rare ones count more), those in the chunk
    "coverage_window",  # the same within its best three sentences in a row
    "pairs",  # of the question's neighbouring content words, those that are neighbours there
)
#: Inputs of the model `chunk_relevance`: the first three, with which a model fitted on one set of
#: questions ranks best on another.
RELEVANCE_INPUTS = CHUNK_INPUTS[:3]

# BM25's usual k1, a b that spares long chunks, and a usual chunk's length in words in place of the
# corpus' mean: a chunk's score must not depend on what else was retrieved.
_K1, _B, _USUAL_WORDS = 1.2, 0.4, 120.0
_WINDOW = 3
# Words of one root mostly agree in so many first letters ("education", "educate").
_ROOT = 5
# A word of which only the root is there is worth so much of one that is there itself.
_ROOT_WORTH = 0.6
# What is read of a question, in characters and in distinct words: some logs hold whole documents
# there.
_MAX_QUESTION, _MAX_STEMS = 2_000, 64


@dataclass(frozen=True)
class Question:
    """What is looked for.

    Attributes:
        stems: its distinct content words as stems, in order.
        weight: the rarity of each, float64 [stems].
        pairs: neighbouring content words.
    """

    stems: tuple[str, ...]
    weight: NDArray[np.float64]
    pairs: tuple[tuple[str, str], ...]

    @cached_property
    def known(self) -> frozenset[str]:
        """Its stems, in no order."""
        return frozenset(self.stems)

    @cached_property
    def roots(self) -> frozenset[str]:
        """First letters of its longer stems."""
        return frozenset(word[:_ROOT] for word in self.stems if len(word) > _ROOT)

    @staticmethod
    def of(text: str) -> Question:
        """A question from its text; its first 2,000 characters and 64 distinct words are read."""
        content = [stem(word) for word in words(text[:_MAX_QUESTION]) if is_content(word)]
        stems = tuple(dict.fromkeys(content))[:_MAX_STEMS]
        weight = np.array([rarity(word) for word in stems], dtype=np.float64)
        return Question(stems, weight, tuple(dict.fromkeys(pairwise(content)))[:_MAX_STEMS])


class Readable:
    """A chunk's words, sentence by sentence, each as a stem.

    Args:
        text: the chunk.
        spans: its sentences.
    """

    def __init__(self, text: str, spans: Sequence[Span]) -> None:
        self._folded = [words(text[span.start : span.end]) for span in spans]
        self._stems = [list(map(stem, sentence)) for sentence in self._folded]
        self.sentences = len(self._stems)
        self.counts = Counter(chain.from_iterable(self._stems))
        self.size = sum(map(len, self._stems))

    @cached_property
    def roots(self) -> frozenset[str]:
        """First letters of its longer stems."""
        return frozenset(word[:_ROOT] for word in self.counts if len(word) > _ROOT)

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Neighbouring content words."""
        return frozenset(
            pair
            for folded, stems in zip(self._folded, self._stems, strict=True)
            for pair in pairwise(
                [stemmed for word, stemmed in zip(folded, stems, strict=True) if is_content(word)]
            )
        )

    @cached_property
    def places(self) -> Mapping[str, Sequence[int]]:
        """The sentences that hold a stem, rising."""
        found: dict[str, list[int]] = {}
        for k, sentence in enumerate(self._stems):
            for word in dict.fromkeys(sentence):
                found.setdefault(word, []).append(k)
        return found


class Reader:
    """Turns chunks into `Readable`s, each distinct text once as long as it remembers it."""

    def __init__(self) -> None:
        self._read = Remembered[Readable]()

    def read(self, text: str, spans: Sequence[Span]) -> Readable:
        """A chunk from its text and its sentences."""
        return self._read.of(text, lambda: Readable(text, spans))


@dataclass(frozen=True)
class Judged:
    """What the models say of the chunks of one row, in their order.

    Attributes:
        relevance: probability that the chunk speaks of what was asked, float64 [chunks].
        answers: probability that the question can be answered from the chunk, float64 [chunks].
        vectors: unit vectors of the chunks, float32 [chunks, dim].
    """

    relevance: NDArray[np.float64]
    answers: NDArray[np.float64]
    vectors: NDArray[np.float32]


def chunk_inputs(
    question: Question,
    chunk: Readable,
    asked: NDArray[np.float32],
    whole: NDArray[np.float32],
    pieces: NDArray[np.float32],
) -> NDArray[np.float64]:
    """What is known of a question and a chunk, float64 [len(CHUNK_INPUTS)].

    Args:
        question, chunk: their words.
        asked, whole: unit vectors of question and chunk, float32 [dim].
        pieces: unit vectors of the chunk's sentences, float32 [sentences, dim].
    """
    found: NDArray[np.float64] = chunks_inputs(
        question, [chunk], asked, whole[None], pieces, [len(pieces)]
    )[0]
    return found


def chunks_inputs(
    question: Question,
    chunks: Sequence[Readable],
    asked: NDArray[np.float32],
    wholes: NDArray[np.float32],
    pieces: NDArray[np.float32],
    counts: Sequence[int],
) -> NDArray[np.float64]:
    """What is known of a question and some chunks, float64 [chunks, len(CHUNK_INPUTS)]; each chunk's
    numbers depend on that chunk alone.

    BM25: Robertson and Zaragoza (2009), The probabilistic relevance framework, Found. Trends IR
    3:333, with the rarity of words in English at large as its inverse document frequency.

    Args:
        question, chunks: their words.
        asked: unit vector of the question, float32 [dim].
        wholes: unit vectors of the chunks, float32 [chunks, dim].
        pieces: unit vectors of their sentences, one chunk's behind the other's, float32 [., dim].
        counts: how many sentences each chunk has.
    """
    found = np.zeros((len(chunks), len(CHUNK_INPUTS)))
    if not chunks:
        return found
    found[:, 0] = cosines(wholes, asked[None])[:, 0]
    found[:, 1] = _nearest(asked, found[:, 0], pieces, counts)
    total = float(question.weight.sum())
    for row, chunk in zip(found, chunks, strict=True):
        if total <= 0:
            # Nothing but stop words is asked ("What is it?"): only meaning can tell.
            row[2:] = 0.5
        elif not (
            chunk.counts.keys().isdisjoint(question.known)
            and chunk.roots.isdisjoint(question.roots)
        ):
            row[2:] = _by_words(question, chunk, total)
    return found


def _by_words(question: Question, chunk: Readable, total: float) -> tuple[float, ...]:
    """What the words alone say: the inputs behind the cosines. All are 0 where no word is shared."""
    weight = question.weight
    counts = [chunk.counts.get(word, 0) for word in question.stems]
    held = [
        1.0 if count else _ROOT_WORTH * (len(word) > _ROOT and word[:_ROOT] in chunk.roots)
        for word, count in zip(question.stems, counts, strict=True)
    ]
    coverage = float(weight @ held) / total
    saturated = float(weight @ saturation(np.array(counts), chunk.size)) / total
    pairs = [pair in chunk.pairs for pair in question.pairs]
    together = sum(pairs) / len(pairs) if pairs else coverage
    return saturated, coverage, _window(question, chunk) / total, together


def saturation(count: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """BM25's share of a word's weight, in [0, 1): of how often it stands in a chunk of `size` words."""
    norm = _K1 * (1 - _B + _B * size / _USUAL_WORDS)
    found: NDArray[np.float64] = count / (count + norm)
    return found


def _nearest(
    asked: NDArray[np.float32],
    whole: NDArray[np.float64],
    pieces: NDArray[np.float32],
    counts: Sequence[int],
) -> NDArray[np.float64]:
    """Cosine of the question to the nearest sentence of each chunk, or pair of neighbouring ones;
    that of the whole chunk where there is none."""
    if not len(pieces):
        return whole
    best = cosines(pieces, asked[None])[:, 0]
    if len(pieces) > 1:
        # The vector of two neighbours is their sum, so no text is encoded twice.
        both = np.einsum("ij,ij->i", pieces[:-1], pieces[1:], dtype=np.float64)
        pair = np.round((best[:-1] + best[1:]) / np.sqrt(np.maximum(2 + 2 * both, 1e-6)), 6)
        last = np.cumsum(counts)[:-1] - 1
        pair[last[(last >= 0) & (last < len(pair))]] = -1.0  # of two chunks
        best[:-1] = np.maximum(best[:-1], pair)
    has = np.asarray(counts) > 0
    first = np.cumsum([0, *counts])[:-1]
    found = whole.copy()
    found[has] = np.maximum.reduceat(best, first[has])
    return found


def _window(question: Question, chunk: Readable) -> float:
    """Most weight of the question's words within `_WINDOW` sentences in a row."""
    sums = [0.0] * chunk.sentences
    for word, weight in zip(question.stems, question.weight.tolist(), strict=True):
        reached = -1
        for j in chunk.places.get(word, ()):
            for k in range(max(j - _WINDOW + 1, reached + 1), j + 1):
                sums[k] += weight
            reached = j
    return max(sums, default=0.0)


def judge(
    inputs: NDArray[np.float64], vectors: NDArray[np.float32], models: Mapping[str, Logistic]
) -> Judged:
    """What the shipped models say of chunks.

    Args:
        inputs: float64 [chunks, len(CHUNK_INPUTS)].
        vectors: unit vectors of the chunks, float32 [chunks, dim].
        models: by name.
    """
    relevance = models["chunk_relevance"].probability(inputs[:, : len(RELEVANCE_INPUTS)])
    return Judged(relevance, models["context_sufficiency"].probability(inputs), vectors)


def reader_of(batch: Batch) -> Reader:
    """The reader that everything in a batch shares."""
    return batch.lasting.get("chunk reader", Reader)


def judged(batch: Batch) -> list[Judged | None]:
    """What the models say of the retrieved chunks of each row, best rank first; made once per
    batch.

    Returns:
        A row's judgement depends on that row alone; None where there is no query or no chunk, or
        the row is over budget.
    """

    def make() -> list[Judged | None]:
        asked = batch.embed("query", by="text")
        whole = batch.embed("contexts", by="text")
        piece = batch.embed("contexts", by="sentence")
        queries, chunks = batch.strings("query"), batch.chunks()
        split, beyond = batch.sentences("contexts"), batch.over_budget("contexts")
        reader = reader_of(batch)
        rows: list[int] = []
        inputs = [np.zeros((0, len(CHUNK_INPUTS)))]
        for i, query in enumerate(queries):
            if query is None or not chunks[i] or beyond[i]:
                continue
            rows.append(i)
            inputs.append(
                chunks_inputs(
                    Question.of(query),
                    [
                        reader.read(c.text, spans)
                        for c, spans in zip(chunks[i], split[i], strict=True)
                    ],
                    asked.row(i)[0],
                    whole.row(i),
                    piece.row(i),
                    [len(spans) for spans in split[i]],
                )
            )
        together = judge(np.concatenate(inputs), whole.vectors, batch.models)
        found: list[Judged | None] = [None] * len(batch)
        start = 0
        for i, part in zip(rows, inputs[1:], strict=True):
            end = start + len(part)
            relevance, answers = together.relevance[start:end], together.answers[start:end]
            found[i] = Judged(relevance, answers, whole.row(i))
            start = end
        return found

    return batch.memo("judged chunks", make)
