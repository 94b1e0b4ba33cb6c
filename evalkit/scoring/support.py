"""How far each sentence of a response stands on its contexts, by words and by meaning; what that is
worth is decided by the scorers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.evidence import choose
from evalkit.scoring.passages import Context, Words, amount, claim, claims, neighbours
from evalkit.scoring.similarity import cosines
from evalkit.text import names as name_finder
from evalkit.text import negation
from evalkit.text import numbers as number_finder
from evalkit.text.names import Name
from evalkit.text.numbers import Number
from evalkit.text.sentences import Span
from evalkit.text.tokens import Token, stem, tokens, words

_Item = TypeVar("_Item", Token, Name)

__all__ = ["SENTENCE_FEATURES", "Support", "support_of"]

# Rounding is forgiven against this many numbers; beyond them only equality counts.
MAX_ROUNDED = 400

SENTENCE_FEATURES = (
    "foreign_share",  # of its content words, those of which neither word nor root is in any context
    "foreign_count",
    "novel_bigrams",  # of its word pairs, those in no context
    "uncovered",  # of its content words (rare ones count more), those not in its best two sentences
    "distance",  # 1 - cosine to the nearest context sentence, or pair of neighbouring ones
    "numbers_new",  # numbers that no context and not the query supports
    "numbers_misplaced",  # numbers that the contexts hold, but not near its evidence
    "names_new",
    "names_misplaced",
    "negation_differs",  # 1 when exactly one of it and its evidence sentence denies
    "directions_differ",  # axes (rise or fall, more or less) on which the two are opposed
    "words",  # content words
)
_COLUMN = {name: k for k, name in enumerate(SENTENCE_FEATURES)}
# Below this coverage two sentences do not speak of the same thing: their negations do not compare.
_COMPARABLE = 0.4


@dataclass(frozen=True)
class Support:
    """What the contexts of one interaction say about each claim sentence of its response.

    Attributes:
        status: None, or why there are no features (then all else is empty).
        spans: the claim sentences' places in the response.
        features: float64 [claim sentences, len(SENTENCE_FEATURES)].
        chunk_evidence: float64 [claim sentences, chunks], 0..1: how much of a sentence a chunk
        holds.
        new_words: for each claim sentence, the places of words, names and numbers in no context.
        evidence: for each claim sentence, the context sentences that it is best read against; empty
            where nobody reads.
    """

    status: str | None
    spans: tuple[Span, ...]
    features: NDArray[np.float64]
    chunk_evidence: NDArray[np.float64]
    new_words: tuple[tuple[Span, ...], ...]
    evidence: tuple[str, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """One feature of all claim sentences, float64 [claim sentences]."""
        found: NDArray[np.float64] = self.features[:, _COLUMN[name]]
        return found


def support_of(batch: Batch) -> list[Support]:
    """The support of each row's response, made once per batch.

    Args:
        batch: rows with `query`, `response` and `contexts`.
    Returns:
        One `Support` a row, in order; it depends on that row alone. Statuses: not_applicable (no
        response, no context, or nothing claimed) and over_budget (`Batch.over_budget`: to score a
        part and call it the whole would be wrong).
    """
    return batch.memo("support", lambda: _make(batch))


def _nothing(status: str) -> Support:
    return Support(status, (), np.zeros((0, len(SENTENCE_FEATURES))), np.zeros((0, 0)), (), ())


def _make(batch: Batch) -> list[Support]:
    responses, queries = batch.strings("response"), batch.strings("query")
    chunks = batch.chunks()
    made = batch.lasting.get("words", Words)
    found = []
    for i, response in enumerate(responses):
        texts = [chunk.text for chunk in chunks[i]]
        if response is None or not texts:
            found.append(_nothing("not_applicable"))
            continue
        spans = batch.sentences("response")[i][0]
        if batch.over_budget("response")[i] or batch.over_budget("contexts")[i]:
            found.append(_nothing("over_budget"))
            continue
        context = made.context(texts, batch.sentences("contexts")[i])
        mine = batch.embed("response", by="sentence").row(i)
        theirs = batch.embed("contexts", by="sentence").row(i)
        reader = _Reader(made, queries[i] or "", response, context)
        found.append(_of_row(reader, spans, mine, theirs, batch.verifier is not None))
    return found


def _of_row(
    reader: _Reader,
    spans: Sequence[Span],
    mine: NDArray[np.float32],
    theirs: NDArray[np.float32],
    is_read: bool,
) -> Support:
    context, response = reader.context, reader.response
    parted = _by_span(reader.tokens, spans)
    content = [claims(token.word for token in part) for part in parted]
    claiming = [k for k, stems in enumerate(content) if stems]
    if not claiming or not len(context):
        return _nothing("not_applicable")
    plain = cosines(mine[claiming], theirs)
    cosine = _with_pairs(plain, theirs, context.has_next)
    named = _by_span(name_finder.names(response), spans)
    features = np.empty((len(claiming), len(SENTENCE_FEATURES)))
    chunk_evidence = np.zeros((len(claiming), len(context.passages)))
    new_words = []
    read_against = []
    for row, k in enumerate(claiming):
        hits, share = reader.hits(content[k])
        coverage, window = reader.coverage(hits, share)
        if is_read:
            chosen = choose(plain[row], hits, share, context.sizes)
            read_against.append(" ".join(context.sentence(j).strip() for j in chosen))
        closeness = 0.5 * window + 0.5 * np.clip(cosine[row], 0, 1)
        near = neighbours(int(np.argmax(closeness)), context.part)
        evidence = near[int(np.argmax(coverage[near.start : near.stop]))]
        wording, size, new = reader.wording(parted[k])
        numbers_new, numbers_misplaced = reader.numbers(spans[k], near)
        names_new, names_misplaced = reader.names(named[k], near)
        features[row] = (
            *wording,
            1 - window.max(),
            1 - cosine[row].max(),
            len(numbers_new),
            numbers_misplaced,
            len(names_new),
            names_misplaced,
            *reader.opposition(spans[k], evidence, float(coverage[evidence])),
            size,
        )
        np.maximum.at(chunk_evidence[row], context.part, closeness)
        new_words.append(tuple(_merged([*new, *numbers_new, *names_new], response)))
    return Support(
        None,
        tuple(spans[k] for k in claiming),
        features,
        chunk_evidence,
        tuple(new_words),
        tuple(read_against),
    )


class _Reader:
    """One response, read against its context and its query."""

    def __init__(self, made: Words, query: str, response: str, context: Context) -> None:
        self.response = response
        self.context = context
        self.tokens = tokens(response)
        self._made = made
        self._asked_words = frozenset(map(stem, words(query)))
        self._numbers = number_finder.facts(response)
        self._starts = [number.start for number in self._numbers]
        self._asked = number_finder.facts(query)[:MAX_ROUNDED] if self._numbers else []
        self._homes = context.numbers() if self._numbers else []
        self._asked_amounts = frozenset(map(amount, self._asked))
        given = [*self._asked, *(number for _, number in self._homes)]
        self._rounded = given[:MAX_ROUNDED]

    def wording(self, sentence: Sequence[Token]) -> tuple[tuple[float, ...], int, list[Span]]:
        """Novelty of a sentence's words and word pairs, its content words, and where new ones
        stand."""
        count = 0
        foreign: list[Span] = []
        for token in sentence:
            stemmed = claim(token.word)
            if stemmed is not None and not self._in_number(token):
                count += 1
                if not (self._is_known(stemmed) or self.context.holds_root(stemmed)):
                    foreign.append(Span(token.start, token.end))
        pairs = list(pairwise(stem(token.word) for token in sentence))
        fresh = sum(not self.context.holds_pair(pair) for pair in pairs)
        size = max(count, 1)
        novelty = (len(foreign) / size, len(foreign), fresh / max(len(pairs), 1))
        return novelty, size, foreign

    def _is_known(self, word: str) -> bool:
        return self.context.holds(word) or word in self._asked_words

    def _in_number(self, token: Token) -> bool:
        """Whether a token is part of a number, which is judged by its value ("three" meets "3")."""
        at = bisect_right(self._starts, token.start) - 1
        return at >= 0 and token.end <= self._numbers[at].end

    def hits(self, content: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Which of a sentence's content words are in which context sentence, and what each weighs.

        float64 [words, context sentences] of 0 and 1, and float64 [words] summing to 1: a word in
        df of n context sentences weighs log(1 + n / (1 + df)).
        """
        n = len(self.context)
        distinct = list(dict.fromkeys(content))
        places = [self.context.where(word) for word in distinct]
        sizes = np.array([len(one) for one in places])
        hits = np.zeros((len(distinct), n))
        hits[np.repeat(np.arange(len(distinct)), sizes), list(chain.from_iterable(places))] = 1.0
        weights = np.log1p(n / (1 + sizes))
        return hits, weights / weights.sum()

    def coverage(
        self, hits: NDArray[np.float64], share: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Share of a sentence's content in each context sentence, and in it with its next one."""
        paired = hits.copy()
        first = np.flatnonzero(self.context.has_next)
        paired[:, first] = np.maximum(hits[:, first], hits[:, first + 1])
        weight = share[:, None]
        return (weight * hits).sum(axis=0), (weight * paired).sum(axis=0)

    def numbers(self, span: Span, near: range) -> tuple[list[Span], int]:
        """Numbers of a sentence that are nowhere, and how many are only far from its evidence."""
        new: list[Span] = []
        misplaced = 0
        # Homes rise, so those of the evidence are one slice.
        low = bisect_right(self._homes, near.start - 1, key=lambda home: home[0])
        high = bisect_right(self._homes, near.stop - 1, key=lambda home: home[0])
        beside = [*(n for _, n in islice(self._homes, low, high)), *self._asked][:MAX_ROUNDED]
        for number in self._numbers[bisect_right(self._starts, span.start - 1) :]:
            if number.start >= span.end:
                break
            if not (self._is_given(number) or number_finder.supported(number, self._rounded)):
                new.append(Span(number.start, number.end))
            elif not number_finder.supported(number, beside):
                misplaced += 1
        return new, misplaced

    def _is_given(self, number: Number) -> bool:
        said = amount(number)
        return said in self._asked_amounts or self.context.holds_amount(said)

    def names(self, found: Sequence[Name], near: range) -> tuple[list[Span], int]:
        """Names of a sentence that are nowhere, and how many are only far from its evidence."""
        new: list[Span] = []
        misplaced = 0
        for name in found:
            parts = claims(words(name.text))
            if not all(map(self._is_known, parts)):
                new.append(Span(name.start, name.end))
            elif not all(any(part in self.context.content[j] for j in near) for part in parts):
                misplaced += 1
        return new, misplaced

    def opposition(self, span: Span, evidence: int, coverage: float) -> tuple[float, float]:
        """Whether a sentence denies what its evidence does not, and on how many axes they are
        opposed."""
        if coverage < _COMPARABLE:
            return 0.0, 0.0
        said = self._made.polarity(self.response[span.start : span.end])
        found = self._made.polarity(self.context.sentence(evidence))
        return float(said.is_negative != found.is_negative), negation.conflicts(said, found)


def _with_pairs(
    cosine: NDArray[np.float64], theirs: NDArray[np.float32], has_next: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Cosine to each context sentence, or to it with its next one where that is nearer.

    The vector of two neighbours is their sum, so no text is encoded twice.
    """
    first = np.flatnonzero(has_next)
    if not len(first):
        return cosine
    both = np.einsum("ij,ij->i", theirs[first], theirs[first + 1], dtype=np.float64)
    pair = (cosine[:, first] + cosine[:, first + 1]) / np.sqrt(np.maximum(2 + 2 * both, 1e-6))
    found = cosine.copy()
    found[:, first] = np.maximum(cosine[:, first], np.round(pair, 6))
    return found


def _by_span(items: Sequence[_Item], spans: Sequence[Span]) -> list[list[_Item]]:
    """The items that begin within each span."""
    starts = [item.start for item in items]
    edges = [(bisect_right(starts, s.start - 1), bisect_right(starts, s.end - 1)) for s in spans]
    return [list(items[low:high]) for low, high in edges]


def _merged(places: Iterable[Span], text: str) -> list[Span]:
    """Places in order; those that overlap or have only white space between them made one."""
    found: list[Span] = []
    for place in sorted(places):
        if found and (place.start <= found[-1].end or text[found[-1].end : place.start].isspace()):
            found[-1] = Span(found[-1].start, max(found[-1].end, place.end))
        else:
            found.append(place)
    return found
