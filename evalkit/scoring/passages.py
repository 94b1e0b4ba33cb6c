"""Chunks in the form that a response is held against: words, n-grams, numbers and where each
stands; no judgement is made here."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.lasting import Remembered
from evalkit.text import numbers
from evalkit.text.negation import polarity
from evalkit.text.numbers import Number
from evalkit.text.sentences import Span
from evalkit.text.tokens import is_content, stem, words
from evalkit.text.word_lists import word_list

__all__ = ["Amount", "Context", "Passage", "Words", "amount", "claim", "claims", "neighbours"]

#: What a number says: value, kind and unit.
Amount = tuple[float, str, str | None]

# Sentences of chunks come again; so many are remembered.
_MOST_SENTENCES = 16_384

# Words about the answering itself claim nothing of the world ("Based on the given passages, ...").
_ABOUT_ANSWERING = frozenset(
    map(
        stem,
        word_list(
            "answer answers based context contexts document documents following given information "
            "mention mentioned mentions okay passage passages provide provided provides question "
            "according summary sure text article articles source sources certainly overall "
            "conclusion additionally furthermore moreover finally also include including includes "
            "unable therefore important note notes noted suggests suggest recommends recommend "
            "discusses discuss describes describe explains explain highlights highlight"
        ),
    )
)
# Words of one root mostly agree in so many first letters ("education", "educate").
_ROOT = 5
_LONG_WORD = 7
# Where a capital follows a small letter, words are written together.
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Passage:
    """One chunk, by itself.

    Attributes:
        text: the chunk.
        spans: its sentences.
        sizes: words of each sentence, as white space parts them.
        content: stems of content words of each sentence.
        words, bigrams: stems of all words, and pairs of them within sentences.
        roots: first letters of its longer stems.
        postings: for each stem the sentences that hold it, rising.
        numbers: each number with the sentence that it stands in, rising.
        amounts: what these numbers say.
    """

    text: str
    spans: tuple[Span, ...]
    sizes: tuple[int, ...]
    content: tuple[frozenset[str], ...]
    words: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    roots: frozenset[str]
    postings: Mapping[str, Sequence[int]]
    numbers: tuple[tuple[int, Number], ...]
    amounts: frozenset[Amount]


@dataclass(frozen=True)
class Context:
    """All chunks of one row side by side, their sentences counted through.

    Attributes:
        passages: the chunks, in their order.
        first: for each chunk the number of its first sentence.
        part: int64 [sentences], the chunk of each sentence.
        has_next: bool [sentences], whether the next sentence is of the same chunk.
    """

    passages: tuple[Passage, ...]
    first: tuple[int, ...]
    part: NDArray[np.int64]
    has_next: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.part)

    @cached_property
    def content(self) -> tuple[frozenset[str], ...]:
        """Stems of content words of each sentence."""
        return tuple(sentence for p in self.passages for sentence in p.content)

    @cached_property
    def sizes(self) -> list[int]:
        """Words of each sentence, as white space parts them."""
        return [size for p in self.passages for size in p.sizes]

    def sentence(self, j: int) -> str:
        """The text of context sentence j."""
        part = int(self.part[j])
        passage = self.passages[part]
        span = passage.spans[j - self.first[part]]
        return passage.text[span.start : span.end]

    def where(self, word: str) -> list[int]:
        """The sentences that hold a stem of a content word, rising."""
        found: list[int] = []
        for first, passage in zip(self.first, self.passages, strict=True):
            places = passage.postings.get(word)
            if places is not None:
                found.extend([first + place for place in places])
        return found

    def holds(self, word: str) -> bool:
        """Whether a stem is in any chunk."""
        return any(word in passage.words for passage in self.passages)

    def holds_pair(self, pair: tuple[str, str]) -> bool:
        """Whether two stems follow each other in a sentence of any chunk."""
        return any(pair in passage.bigrams for passage in self.passages)

    def holds_root(self, word: str) -> bool:
        """Whether a long stem begins as some word of a chunk does."""
        root = word[:_ROOT]
        return len(word) >= _LONG_WORD and any(root in passage.roots for passage in self.passages)

    def holds_amount(self, amount: Amount) -> bool:
        """Whether any chunk has this very number."""
        return any(amount in passage.amounts for passage in self.passages)

    def numbers(self) -> list[tuple[int, Number]]:
        """Each number with the sentence that it stands in, sentences rising."""
        return [
            (first + place, number)
            for first, passage in zip(self.first, self.passages, strict=True)
            for place, number in passage.numbers
        ]


def claim(word: str) -> str | None:
    """The stem of a folded word that says something of the world: content, and not about the
    answering; None of any other."""
    stemmed = stem(word)
    return stemmed if is_content(word) and stemmed not in _ABOUT_ANSWERING else None


def claims(folded: Iterable[str]) -> list[str]:
    """Stems of the words that claim something, in order."""
    return [stemmed for stemmed in map(claim, folded) if stemmed is not None]


class Words:
    """Turns texts into passages and polarities, each distinct one once as long as it is
    remembered."""

    def __init__(self) -> None:
        self.polarity = lru_cache(_MOST_SENTENCES)(polarity)
        self._passages = Remembered[Passage]()

    def passage(self, text: str, spans: Sequence[Span]) -> Passage:
        """A chunk, from its text and its sentences."""
        return self._passages.of(text, lambda: self._passage(text, spans))

    def _passage(self, text: str, spans: Sequence[Span]) -> Passage:
        pieces = [text[span.start : span.end] for span in spans]
        folded = [words(piece) for piece in pieces]
        stems = [tuple(map(stem, sentence)) for sentence in folded]
        if _JOINED.search(text):
            # Records say "OutdoorSeating", responses "outdoor seating": both forms are held.
            for sentence, piece in zip(folded, pieces, strict=True):
                sentence.extend(words(_JOINED.sub(" ", piece)))
        content = tuple(frozenset(claims(sentence)) for sentence in folded)
        known = frozenset(stem(word) for sentence in folded for word in sentence)
        postings: dict[str, list[int]] = {}
        for j, sentence_claims in enumerate(content):
            for word in sentence_claims:
                postings.setdefault(word, []).append(j)
        begins = [span.start for span in spans]
        placed = tuple(
            (max(bisect_right(begins, number.start) - 1, 0), number)
            for number in numbers.facts(text)
        )
        return Passage(
            text=text,
            spans=tuple(spans),
            sizes=tuple(len(piece.split()) for piece in pieces),
            content=content,
            words=known,
            bigrams=frozenset(pair for sentence in stems for pair in pairwise(sentence)),
            roots=frozenset(word[:_ROOT] for word in known if len(word) >= _ROOT),
            postings=postings,
            numbers=placed,
            amounts=frozenset(amount(number) for _, number in placed),
        )

    def context(self, texts: Sequence[str], split: Sequence[Sequence[Span]]) -> Context:
        """The chunks of a row, from their texts and sentences."""
        passages = tuple(
            self.passage(text, spans) for text, spans in zip(texts, split, strict=True)
        )
        counts = [len(p.spans) for p in passages]
        part = np.repeat(np.arange(len(passages)), counts)
        has_next = np.zeros(len(part), dtype=np.bool_)
        has_next[:-1] = part[1:] == part[:-1]
        return Context(passages, tuple(accumulate(counts, initial=0))[:-1], part, has_next)


def amount(number: Number) -> Amount:
    """What a number says, however it is written."""
    return number.value, number.kind, number.unit


def neighbours(best: int, part: NDArray[np.int64]) -> range:
    """Sentences about a context sentence, within its chunk: one before it, two after."""
    low, high = best, best + 1
    if low > 0 and part[low - 1] == part[best]:
        low -= 1
    while high < min(len(part), best + 3) and part[high] == part[best]:
        high += 1
    return range(low, high)
