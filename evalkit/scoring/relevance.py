"""What the model `answer_relevance` sees: how a response meets its question, as named numbers; what
they are worth is decided by the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.similarity import cosines
from evalkit.text.questions import AnswerKind, asks, expected, holds
from evalkit.text.rarity import rarity
from evalkit.text.sentences import Span
from evalkit.text.tokens import is_content, ngrams, stem, words
from evalkit.text.word_lists import word_list

__all__ = ["RELEVANCE_INPUTS", "Asked", "Relevance", "read_question", "relevance_of", "weigh"]

#: Inputs of the model `answer_relevance`. All are higher where the response is more relevant.
RELEVANCE_INPUTS = (
    "whole",
    "best",
    "short",
    "covers",
    "fits",
    "lacks_figure",
    "lacks_figure_short",
    "adds",
    "news",
    "repeats",
    "talks",
    "asks_back",
)

# From about this many content words on, a response says enough for its vector to be believed.
_HALF_LENGTH = 4.0
# The same for the rarity of what a response adds: one name or year, or a few common words.
_HALF_RARITY = 6.0
# Middles between what answers and what does not, so that a term that fades out pulls neither way.
_MIDDLE = 0.45
_MIDDLE_SHORT = 0.3
_MIDDLE_COVERED = 0.4
_BEST_SENTENCES = 2
# And at least about this share of its words, weighed by rarity, is not the question's.
_USUAL_NEWS = 0.3

# Talk about the talk: what is left of a response without these and the question's words is what it
# adds.
_TALK = frozenset(
    stem(word)
    for word in word_list(
        "question questions ask asked asking asks answer answers answered answering reply response "
        "respond request requested great good interesting excellent wonderful fascinating "
        "important glad happy pleased help helpful helping assist assistance sure certainly course "
        "absolutely thanks thank please sorry unfortunately apologize apologies afraid hope know "
        "knowing tell told say said want wanted wonder wondering wondered like look looking "
        "inquire inquiry inquiring query topic topics subject matter thing things something "
        "anything everything information info detail details many various several different "
        "aspect aspects factor factors depend depends consider considered context understand "
        "understanding discuss discussed explain explained regarding concerning concern related "
        "let get getting see need needed provide provided unable able possible welcome feel free "
        "interested interest curious point people often well really lot lots way ways "
        "come comes back further available one"
    )
)
# What a request says of its task, not of its subject: "Summarize the following news."
_TASK = _TALK | frozenset(
    stem(word)
    for word in word_list(
        "summarize summarise summary summaries following news article articles text texts document "
        "documents passage passages paragraph paragraphs write rewrite translate describe list "
        "give name brief briefly short shorter longer long sentence sentences word words based "
        "above below previous given continue again use using make content attached file this that "
        "how why what when where who much many old"
    )
)
_FIGURES: tuple[AnswerKind, ...] = ("date", "number")


@dataclass(frozen=True)
class Asked:
    """What a question asks for.

    Attributes:
        stems: stems of its content words.
        subject: those of them that name a subject, not a task.
        known: all its words, folded.
        triples: its runs of three words.
        kind: the kind of answer, where the wording says so.
        is_choice: whether it offers alternatives ("... or ...?").
    """

    stems: frozenset[str]
    subject: frozenset[str]
    known: frozenset[str]
    triples: frozenset[tuple[str, ...]]
    kind: AnswerKind | None
    is_choice: bool

    @property
    def says_something(self) -> bool:
        """Whether there is anything to hold an answer against: a subject, or a kind of answer."""
        return bool(self.subject) or self.kind is not None


@dataclass(frozen=True)
class Relevance:
    """One row: why it has no inputs, or the inputs, float64 [len(RELEVANCE_INPUTS)]."""

    status: Literal["not_applicable", "truncated", "over_budget"] | None
    inputs: NDArray[np.float64]


def read_question(question: str) -> Asked:
    """What a question asks for, from its wording.

    >>> asked = read_question("When did the Eiffel Tower open?")
    >>> asked.kind, sorted(asked.subject)
    ('date', ['eiffel', 'open', 'tower'])
    >>> read_question("Summarize the following news.").says_something
    False
    """
    run = words(question)
    known = frozenset(run)
    stems = frozenset(stem(word) for word in known if is_content(word))
    return Asked(
        stems, stems - _TASK, known, frozenset(ngrams(run, 3)), expected(question), "or" in known
    )


def weigh(
    asked: Asked, response: str, spans: Sequence[Span], whole: float, near: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Inputs of the model, float64 [len(RELEVANCE_INPUTS)].

    Args:
        asked: the question.
        response: its response.
        spans: the response's sentences.
        whole: cosine of question and response.
        near: cosine of the question and each sentence, float64 [len(spans)].

    The vector of a few words says little: bare right answers ("1969") lie as far from their
    questions as wrong ones. So each cosine counts the more, the more content words there are, about
    a middle at which it says nothing; where there are few, the kind of answer counts instead.
    Sentences that only repeat the question, or talk about it, are not among the best.
    """
    run = words(response)
    content = [stem(word) for word in run if is_content(word)]
    added = {word for word in content if word not in asked.stems and word not in _TALK}
    fits = asked.kind is not None and holds(asked.kind, response, asked.known)
    lacks = asked.kind is not None and not fits
    # "Yes." and, where the question offers a choice, its own words may be all the answer.
    is_chosen = asked.is_choice and not asked.subject.issubset(content)
    is_from_question = is_chosen or (fits and asked.kind == "yes_no" and not added)
    rare = _rarity_of(added)
    is_short = _HALF_LENGTH / (len(content) + _HALF_LENGTH)
    has_subject = float(bool(asked.subject))
    repeated = _rarity_of(word for word in content if word in asked.stems)
    news = 1.0 if is_from_question else min(1.0, rare / (rare + repeated + 1e-9) / _USUAL_NEWS)
    trusted = (1 - is_short) * has_subject * news * rare / (rare + _HALF_RARITY)
    best = whole if is_from_question else _best(asked, response, spans, near, whole)
    covered = _rarity_of(asked.subject.intersection(content)) / max(1.0, _rarity_of(asked.subject))
    talk = sum(word in _TALK and word not in asked.stems for word in content)
    asking = sum(s.end - s.start for s in spans if asks(response[s.start : s.end]))
    length = sum(s.end - s.start for s in spans)
    values = {
        "whole": (whole - _MIDDLE) * trusted,
        "best": (best - _MIDDLE) * trusted,
        "short": (whole - _MIDDLE_SHORT) * is_short * has_subject,
        "covers": (covered - _MIDDLE_COVERED) * trusted,
        "fits": float(fits) * is_short,
        "lacks_figure": -float(lacks and asked.kind in _FIGURES),
        "lacks_figure_short": -float(lacks and asked.kind in _FIGURES) * is_short,
        "adds": -float(not added and not is_from_question),
        "news": news - 1,
        "repeats": -_repeated(asked, run),
        "talks": -talk / max(1, len(content)),
        "asks_back": -asking / max(1, length),
    }
    return np.array([values[name] for name in RELEVANCE_INPUTS])


def _best(
    asked: Asked,
    response: str,
    spans: Sequence[Span],
    near: NDArray[np.float64],
    whole: float,
) -> float:
    """Mean cosine of the nearest sentences that add something; 0 when none does."""
    if not len(spans):
        return whole
    adding = [
        float(cosine)
        for span, cosine in zip(spans, near, strict=True)
        if _adds(asked, response[span.start : span.end])
    ]
    if not adding:
        return 0.0
    top = sorted(adding, reverse=True)[:_BEST_SENTENCES]
    return sum(top) / len(top)


def _rarity_of(stems: Iterable[str]) -> float:
    """Summed exactly, since a set has no order."""
    return math.fsum(rarity(one) for one in stems)


def _repeated(asked: Asked, run: list[str]) -> float:
    """Share of the response's word triples that are the question's."""
    triples = list(ngrams(run, 3))
    return sum(triple in asked.triples for triple in triples) / max(1, len(triples))


def _adds(asked: Asked, sentence: str) -> bool:
    return any(
        stemmed not in asked.stems and stemmed not in _TALK
        for stemmed in (stem(word) for word in words(sentence) if is_content(word))
    )


def relevance_of(batch: Batch) -> list[Relevance]:
    """The inputs of each row of a batch, or why it has none; made once per batch."""
    return batch.memo("relevance", lambda: [_row(batch, i) for i in range(len(batch))])


def _row(batch: Batch, i: int) -> Relevance:
    query, response = batch.strings("query")[i], batch.strings("response")[i]
    if query is None or response is None:
        return _without("not_applicable")
    if batch.values("truncated")[i]:
        return _without("truncated")
    if batch.over_budget("response")[i]:
        return _without("over_budget")
    asked = batch.memo(("asked", query), lambda: read_question(query))
    if not asked.says_something:
        return _without("not_applicable")
    vector = batch.embed("query", by="text").row(i)
    piece = batch.embed("response", by="sentence")
    whole = float(cosines(batch.embed("response", by="text").row(i), vector)[0, 0])
    near = cosines(piece.row(i), vector)[:, 0]
    return Relevance(None, weigh(asked, response, piece.row_spans(i), whole, near))


def _without(status: Literal["not_applicable", "truncated", "over_budget"]) -> Relevance:
    return Relevance(status, np.full(len(RELEVANCE_INPUTS), np.nan))
