"""How likely a chunk is to speak of what was asked, and to answer it: question and chunk as named
numbers for two shipped models. What follows from it is decided by the scorers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.calibration import Logistic
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
        stem_of: gives the stem of a folded word.
    """

    def __init__(self, text: str, spans: Sequence[Span], stem_of: Callable[[str], str]) -> None:
        folded = [words(text[span.start : span.end]) for span in spans]
        stems = [list(map(stem_of, sentence)) for sentence in folded]
        self.sentences = len(stems)
        self.counts = Counter(word for sentence in stems for word in sentence)
        self.size = sum(self.counts.values())
        self.roots = frozenset(word[:_ROOT] for word in self.counts if len(word) > _ROOT)
        self.pairs = frozenset(
            pair
            for sentence in folded
            for pair in pairwise([stem_of(word) for word in sentence if is_content(word)])
        )
        self.places: dict[str, list[int]] = {}
        for k, sentence in enumerate(stems):
            for word in dict.fromkeys(sentence):
                self.places.setdefault(word, []).append(k)


class Reader:
    """Turns chunks into `Readable`s, each distinct text once as long as this lives."""

    def __init__(self) -> None:
        self._stems: dict[str, str] = {}
        self._read: dict[str, Readable] = {}

    def read(self, text: str, spans: Sequence[Span]) -> Readable:
        """A chunk from its text and its sentences."""
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = Readable(text, spans, self.stem)
        return found

    def stem(self, word: str) -> str:
        """The stem of a folded word."""
        found = self._stems.get(word)
        if found is None:
            found = self._stems[word] = stem(word)
        return found


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

    BM25: Robertson and Zaragoza (2009), The probabilistic relevance framework, Found. Trends IR
    3:333, with the rarity of words in English at large as its inverse document frequency.

    Args:
        question, chunk: their words.
        asked, whole: unit vectors of question and chunk, float32 [dim].
        pieces: unit vectors of the chunk's sentences, float32 [sentences, dim].
    """
    near = (float(cosines(whole[None], asked[None])[0, 0]), _nearest(asked, whole, pieces))
    weight = question.weight
    total = float(weight.sum())
    if total <= 0:
        # Nothing but stop words is asked ("What is it?"): only meaning can tell.
        return np.array([*near, 0.5, 0.5, 0.5, 0.5])
    counts = [chunk.counts.get(word, 0) for word in question.stems]
    held = [
        1.0 if count else _ROOT_WORTH * (len(word) > _ROOT and word[:_ROOT] in chunk.roots)
        for word, count in zip(question.stems, counts, strict=True)
    ]
    coverage = float(weight @ held) / total
    saturated = float(weight @ saturation(np.array(counts), chunk.size)) / total
    pairs = [pair in chunk.pairs for pair in question.pairs]
    together = sum(pairs) / len(pairs) if pairs else coverage
    return np.array([*near, saturated, coverage, _window(question, chunk) / total, together])


def saturation(count: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """BM25's share of a word's weight, in [0, 1): of how often it stands in a chunk of `size` words."""
    norm = _K1 * (1 - _B + _B * size / _USUAL_WORDS)
    found: NDArray[np.float64] = count / (count + norm)
    return found


def _nearest(
    asked: NDArray[np.float32], whole: NDArray[np.float32], pieces: NDArray[np.float32]
) -> float:
    """Cosine of the question to the nearest sentence, or pair of neighbouring ones."""
    if not len(pieces):
        return float(cosines(whole[None], asked[None])[0, 0])
    single = cosines(pieces, asked[None])[:, 0]
    if len(pieces) == 1:
        return float(single[0])
    # The vector of two neighbours is their sum, so no text is encoded twice.
    both = np.einsum("ij,ij->i", pieces[:-1], pieces[1:], dtype=np.float64)
    pair = (single[:-1] + single[1:]) / np.sqrt(np.maximum(2 + 2 * both, 1e-6))
    return float(max(single.max(), np.round(pair, 6).max()))


def _window(question: Question, chunk: Readable) -> float:
    """Most weight of the question's words within `_WINDOW` sentences in a row."""
    if not chunk.sentences:
        return 0.0
    hits = np.zeros((len(question.stems), chunk.sentences))
    for k, word in enumerate(question.stems):
        for j in chunk.places.get(word, ()):
            hits[k, max(j - _WINDOW + 1, 0) : j + 1] = 1.0
    return float((question.weight[:, None] * hits).sum(axis=0).max())


def judge(
    inputs: Iterable[NDArray[np.float64]],
    vectors: NDArray[np.float32],
    models: Mapping[str, Logistic],
) -> Judged:
    """What the shipped models say of chunks, from the inputs and the vector of each."""
    x = np.array(list(inputs), dtype=np.float64).reshape(-1, len(CHUNK_INPUTS))
    relevance = models["chunk_relevance"].probability(x[:, : len(RELEVANCE_INPUTS)])
    return Judged(relevance, models["context_sufficiency"].probability(x), vectors)


def reader_of(batch: Batch) -> Reader:
    """The reader that everything in a batch shares."""
    return batch.memo("chunk reader", Reader)


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
        found: list[Judged | None] = []
        for i, query in enumerate(queries):
            if query is None or not chunks[i] or beyond[i]:
                found.append(None)
                continue
            question = Question.of(query)
            parts, vectors = piece.row_parts(i), piece.row(i)
            found.append(
                judge(
                    (
                        chunk_inputs(
                            question,
                            reader.read(chunk.text, split[i][k]),
                            asked.row(i)[0],
                            whole.row(i)[k],
                            vectors[parts == k],
                        )
                        for k, chunk in enumerate(chunks[i])
                    ),
                    whole.row(i),
                    batch.models,
                )
            )
        return found

    return batch.memo("judged chunks", make)
