"""How far each sentence of a response stands on its contexts: features by words and by meaning, shared by the scorers of groundedness; no decision is taken here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.text import names as names_of_text
from evalkit.text import numbers
from evalkit.text.sentences import Span
from evalkit.text.tokens import Token, fold, is_content, stem, tokens

__all__ = [
    "MAX_CONTEXT_SENTENCES",
    "MAX_RESPONSE_CHARS",
    "MAX_RESPONSE_SENTENCES",
    "SENTENCE_FEATURES",
    "Support",
    "support_of",
]

#: A response beyond one of these limits, or contexts beyond theirs, gets status over_budget: scoring a
#: part of it and calling that the whole would be a wrong value.
MAX_RESPONSE_SENTENCES = 400
MAX_RESPONSE_CHARS = 60_000
MAX_CONTEXT_SENTENCES = 4_000
MAX_CONTEXT_CHARS = 600_000
#: Numbers beyond this many of one text are compared by equality only (rounding is then not forgiven).
MAX_ROUNDED_NUMBERS = 200

SENTENCE_FEATURES = (
    "novel_share",
    "novel_count",
    "novel_bigrams",
    "novel_trigrams",
    "uncovered",
    "distance_best",
    "distance_window",
    "distance_top3",
    "numbers_new",
    "numbers_misplaced",
    "names_new",
    "names_misplaced",
    "negation_differs",
    "words",
    "position",
    "copied_run",
)
_COLUMN = {name: k for k, name in enumerate(SENTENCE_FEATURES)}

# Words about the answering itself: they claim nothing about the world ("Based on the passages, ...").
_ABOUT_ANSWERING = frozenset(
    stem(word)
    for word in (
        "answer answers based context contexts document documents following given here information "
        "mention mentioned mentions okay passage passages provide provided provides question "
        "according summary sure text article articles source sources certainly course overall "
        "conclusion additionally furthermore moreover finally also like including include includes"
    ).split()
)
_NEGATIONS = frozenset(
    "no not never none nobody nothing neither nor without cannot can't don't doesn't didn't isn't "
    "aren't wasn't weren't won't wouldn't shouldn't couldn't hasn't haven't hadn't unable fails "
    "failed lack lacks denied denies refused refuses".split()
)


@dataclass(frozen=True)
class Support:
    """What the contexts of one interaction say about each claim sentence of its response.

    `features` float64 [n claim sentences, len(SENTENCE_FEATURES)]; `spans` their places in the response;
    `evidence_chunk` the position (in `batch.chunks()`) of the chunk that supports each best;
    `new_words` the places of content words that stand in no context; `status` is None, or says why the
    row has no features (then all else is empty).
    """

    status: str | None
    spans: tuple[Span, ...] = ()
    features: NDArray[np.float64] = np.zeros((0, len(SENTENCE_FEATURES)))
    evidence_chunk: tuple[int, ...] = ()
    chunk_scores: NDArray[np.float64] = np.zeros((0, 0))
    new_words: tuple[tuple[Span, ...], ...] = ()

    def column(self, name: str) -> NDArray[np.float64]:
        """One feature of all claim sentences."""
        return self.features[:, _COLUMN[name]]


@dataclass(frozen=True)
class _Sentence:
    """The words of one sentence."""

    span: Span
    tokens: tuple[Token, ...]
    stems: tuple[str, ...]
    is_negative: bool


@dataclass(frozen=True)
class _Text:
    """A text in the form that comparisons need; made once for each distinct text of a batch."""

    sentences: tuple[_Sentence, ...]
    words: frozenset[str]
    stems: frozenset[str]
    bigrams: frozenset[tuple[str, ...]]
    trigrams: frozenset[tuple[str, ...]]
    numbers: tuple[numbers.Number, ...]


def support_of(batch: Batch) -> list[Support]:
    """The support of each row's response, made once per batch.

    Args:
        batch: rows with `query`, `response` and `contexts`.
    Returns:
        One `Support` a row, in order. A row's features depend on that row alone. Statuses: not_applicable
        (no response, no context, or nothing claimed), over_budget (see the limits above).
    """
    return batch.memo("support", lambda: _make(batch))


def _make(batch: Batch) -> list[Support]:
    return _Maker(batch).rows()


class _Maker:
    """Holds what the rows of one batch share: stems by word and texts by their content."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._stems: dict[str, str] = {}
        self._texts: dict[str, _Text] = {}

    def rows(self) -> list[Support]:
        batch = self._batch
        responses = batch.strings("response")
        queries = batch.strings("query")
        chunks = batch.chunks()
        split_responses = batch.sentences("response")
        split_contexts = batch.sentences("contexts")
        found: list[Support] = []
        for i, response in enumerate(responses):
            context_texts = [chunk.text for chunk in chunks[i]]
            if response is None or not context_texts:
                found.append(Support("not_applicable"))
                continue
            if _is_too_long(response, split_responses[i][0], context_texts, split_contexts[i]):
                found.append(Support("over_budget"))
                continue
            found.append(
                self._row(
                    i,
                    queries[i] or "",
                    response,
                    split_responses[i][0],
                    list(zip(context_texts, split_contexts[i], strict=True)),
                )
            )
        return found
