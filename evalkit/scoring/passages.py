"""Chunks in the form that a response is held against: words, n-grams, numbers and where each
stands; no judgement is made here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evalkit.text import numbers
from evalkit.text.negation import Polarity, polarity
from evalkit.text.numbers import Number
from evalkit.text.sentences import Span
from evalkit.text.tokens import is_content, stem, words
from evalkit.text.word_lists import word_list

__all__ = ["Context", "Passage", "Words", "neighbours", "shares_root"]

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
    """One chunk; `spans` and `content` (stems of content words) run along its sentences."""

    text: str
    spans: tuple[Span, ...]
    content: tuple[frozenset[str], ...]
    words: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Context:
    """All chunks of one row side by side, their sentences counted through.

    Attributes:
        passages: the chunks, in their order.
        part: int64 [sentences], the chunk of each sentence.
        has_next: bool [sentences], whether the next sentence is of the same chunk.
        content: stems of content words of each sentence.
        places: chunk and span of each sentence.
        postings: for each stem the sentences that hold it, rising.
        words, bigrams: stems of all words, and pairs of them within sentences.
        roots: first letters of its longer stems.
    """

    passages: tuple[Passage, ...]
    part: NDArray[np.int64]
    has_next: NDArray[np.bool_]
    content: tuple[frozenset[str], ...]
    places: tuple[tuple[int, Span], ...]
    postings: Mapping[str, Sequence[int]]
    words: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    roots: frozenset[str]

    def sentence(self, j: int) -> str:
        """The text of context sentence j."""
        part, span = self.places[j]
        return self.passages[part].text[span.start : span.end]


class Words:
    """Turns texts into stems, passages and polarities, each distinct one once as long as this
    lives."""

    def __init__(self) -> None:
        self._stems: dict[str, str] = {}
        self._passages: dict[str, Passage] = {}
        self._polarities: dict[str, Polarity] = {}

    def stem(self, word: str) -> str:
        """The stem of a folded word."""
        found = self._stems.get(word)
        if found is None:
            found = self._stems[word] = stem(word)
        return found

    def claims(self, word: str) -> bool:
        """Whether a folded word says something of the world: content, and not about the
        answering."""
        return is_content(word) and self.stem(word) not in _ABOUT_ANSWERING

    def content(self, folded: Iterable[str]) -> list[str]:
        """Stems of the words that claim something, in order."""
        return [self.stem(word) for word in folded if self.claims(word)]

    def polarity(self, sentence: str) -> Polarity:
        """Negations and directions of a sentence."""
        found = self._polarities.get(sentence)
        if found is None:
            found = self._polarities[sentence] = polarity(sentence)
        return found

    def passage(self, text: str, spans: Sequence[Span]) -> Passage:
        """A chunk, from its text and its sentences."""
        made = self._passages.get(text)
        if made is not None:
            return made
        pieces = [text[span.start : span.end] for span in spans]
        folded = [words(piece) for piece in pieces]
        stems = [tuple(map(self.stem, sentence)) for sentence in folded]
        if _JOINED.search(text):
            # Records say "OutdoorSeating", responses "outdoor seating": both forms are held.
            for sentence, piece in zip(folded, pieces, strict=True):
                sentence.extend(words(_JOINED.sub(" ", piece)))
        made = Passage(
            text=text,
            spans=tuple(spans),
            content=tuple(frozenset(self.content(sentence)) for sentence in folded),
            words=frozenset(self.stem(word) for sentence in folded for word in sentence),
            bigrams=frozenset(pair for sentence in stems for pair in pairwise(sentence)),
            numbers=tuple(numbers.facts(text)),
        )
        self._passages[text] = made
        return made

    def context(self, texts: Sequence[str], split: Sequence[Sequence[Span]]) -> Context:
        """The chunks of a row, from their texts and sentences."""
        passages = tuple(
            self.passage(text, spans) for text, spans in zip(texts, split, strict=True)
        )
        part = np.repeat(np.arange(len(passages)), [len(p.spans) for p in passages])
        content = tuple(sentence for p in passages for sentence in p.content)
        postings: dict[str, list[int]] = {}
        for j, sentence in enumerate(content):
            for word in sentence:
                postings.setdefault(word, []).append(j)
        has_next = np.zeros(len(part), dtype=np.bool_)
        has_next[:-1] = part[1:] == part[:-1]
        known: frozenset[str] = frozenset().union(*(p.words for p in passages))
        return Context(
            passages=passages,
            part=part,
            has_next=has_next,
            content=content,
            places=tuple((k, span) for k, p in enumerate(passages) for span in p.spans),
            postings=postings,
            words=known,
            bigrams=frozenset().union(*(p.bigrams for p in passages)),
            roots=frozenset(word[:_ROOT] for word in known if len(word) >= _ROOT),
        )


def shares_root(word: str, roots: frozenset[str]) -> bool:
    """Whether a long stem begins as some word of the context does."""
    return len(word) >= _LONG_WORD and word[:_ROOT] in roots


def neighbours(best: int, part: NDArray[np.int64]) -> range:
    """Sentences about a context sentence, within its chunk: one before it, two after."""
    low, high = best, best + 1
    if low > 0 and part[low - 1] == part[best]:
        low -= 1
    while high < min(len(part), best + 3) and part[high] == part[best]:
        high += 1
    return range(low, high)
