"""How far each sentence of a response stands on its contexts, by words and by meaning; what that is
worth is decided by the scorers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.evidence import choose
from evalkit.scoring.passages import Context, Words, neighbours, shares_root
from evalkit.scoring.similarity import cosines
from evalkit.text import names as name_finder
from evalkit.text import negation
from evalkit.text import numbers as number_finder
from evalkit.text.names import Name
from evalkit.text.numbers import Number
from evalkit.text.sentences import Span
from evalkit.text.tokens import Token, tokens, words

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
        evidence: for each claim sentence, the context sentences that it is best read against.
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
    made = Words()
    found = []
    for i, response in enumerate(responses):
        texts = [chunk.text for chunk in chunks[i]]
        if response is None or not texts:
            found.append(_nothing("not_applicable"))
            continue
        split = batch.sentences("contexts")[i]
        spans = batch.sentences("response")[i][0]
        if batch.over_budget("response")[i] or batch.over_budget("contexts")[i]:
            found.append(_nothing("over_budget"))
            continue
        context = made.context(texts, split)
        mine = batch.embed("response", by="sentence").row(i)
        theirs = batch.embed("contexts", by="sentence").row(i)
        found.append(_of_row(made, queries[i] or "", response, spans, context, mine, theirs))
    return found


def _of_row(
    made: Words,
    query: str,
    response: str,
    spans: Sequence[Span],
    context: Context,
    mine: NDArray[np.float32],
    theirs: NDArray[np.float32],
) -> Support:
    parted = _by_span(tokens(response), spans)
    claims = [k for k, part in enumerate(parted) if any(made.claims(t.word) for t in part)]
    if not claims or not context.places:
        return _nothing("not_applicable")
    reader = _Reader(made, query, response, context)
    plain = cosines(mine[claims], theirs)
    cosine = _with_pairs(plain, theirs, context.has_next)
    sizes = [len(context.sentence(j).split()) for j in range(len(context.places))]
    named = _by_span(name_finder.names(response), spans)
    features = np.empty((len(claims), len(SENTENCE_FEATURES)))
    chunk_evidence = np.zeros((len(claims), len(context.passages)))
    new_words = []
    read_against = []
    for row, k in enumerate(claims):
        hits, share = reader.hits(parted[k])
        coverage, window = reader.coverage(hits, share)
        chosen = choose(plain[row], hits, share, sizes)
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
        tuple(spans[k] for k in claims),
        features,
        chunk_evidence,
        tuple(new_words),
        tuple(read_against),
    )


class _Reader:
    """One response, read against its context and its query."""

    def __init__(self, made: Words, query: str, response: str, context: Context) -> None:
        self._made = made
        self._response = response
        self._context = context
        asked = frozenset(map(made.stem, words(query)))
        self._known = context.words | asked
        self._numbers = number_finder.facts(response)
        self._starts = [number.start for number in self._numbers]
        self._asked = number_finder.facts(query)[:MAX_ROUNDED] if self._numbers else []
        self._homes = _homes(context) if self._numbers else []
        given = [*self._asked, *(number for _, number in self._homes)]
        self._equal = {(n.value, n.kind, n.unit) for n in given}
        self._rounded = given[:MAX_ROUNDED]

    def wording(self, sentence: Sequence[Token]) -> tuple[tuple[float, ...], int, list[Span]]:
        """Novelty of a sentence's words and word pairs, its content words, and where new ones
        stand."""
        claiming = [t for t in sentence if self._made.claims(t.word) and not self._in_number(t)]
        foreign = [t for t in claiming if self._is_foreign(self._made.stem(t.word))]
        pairs = list(pairwise(self._made.stem(token.word) for token in sentence))
        fresh = sum(pair not in self._context.bigrams for pair in pairs)
        size = max(len(claiming), 1)
        novelty = (len(foreign) / size, len(foreign), fresh / max(len(pairs), 1))
        return novelty, size, [Span(t.start, t.end) for t in foreign]

    def _is_foreign(self, word: str) -> bool:
        return word not in self._known and not shares_root(word, self._context.roots)

    def _in_number(self, token: Token) -> bool:
        """Whether a token is part of a number, which is judged by its value ("three" meets "3")."""
        at = bisect_right(self._starts, token.start) - 1
        return at >= 0 and token.end <= self._numbers[at].end

    def hits(self, sentence: Sequence[Token]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Which of a sentence's content words are in which context sentence, and what each weighs.

        float64 [words, context sentences] of 0 and 1, and float64 [words] summing to 1: a word in
        df of n context sentences weighs log(1 + n / (1 + df)).
        """
        n = len(self._context.places)
        distinct = list(dict.fromkeys(self._made.content(token.word for token in sentence)))
        hits = np.zeros((len(distinct), n))
        weights = np.empty(len(distinct))
        for k, word in enumerate(distinct):
            places = self._context.postings.get(word, ())
            hits[k, list(places)] = 1.0
            weights[k] = np.log1p(n / (1 + len(places)))
        return hits, weights / weights.sum()

    def coverage(
        self, hits: NDArray[np.float64], share: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Share of a sentence's content in each context sentence, and in it with its next one."""
        paired = hits.copy()
        first = np.flatnonzero(self._context.has_next)
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
            if not (
                (number.value, number.kind, number.unit) in self._equal
                or number_finder.supported(number, self._rounded)
            ):
                new.append(Span(number.start, number.end))
            elif not number_finder.supported(number, beside):
                misplaced += 1
        return new, misplaced

    def names(self, found: Sequence[Name], near: range) -> tuple[list[Span], int]:
        """Names of a sentence that are nowhere, and how many are only far from its evidence."""
        new: list[Span] = []
        misplaced = 0
        for name in found:
            parts = self._made.content(words(name.text))
            if any(part not in self._known for part in parts):
                new.append(Span(name.start, name.end))
            elif not all(any(part in self._context.content[j] for j in near) for part in parts):
                misplaced += 1
        return new, misplaced

    def opposition(self, span: Span, evidence: int, coverage: float) -> tuple[float, float]:
        """Whether a sentence denies what its evidence does not, and on how many axes they are
        opposed."""
        if coverage < _COMPARABLE:
            return 0.0, 0.0
        said = self._made.polarity(self._response[span.start : span.end])
        found = self._made.polarity(self._context.sentence(evidence))
        return float(said.is_negative != found.is_negative), negation.conflicts(said, found)


def _homes(context: Context) -> list[tuple[int, Number]]:
    """Each number of the contexts with the sentence that it stands in, sentences rising."""
    found: list[tuple[int, Number]] = []
    offset = 0
    for passage in context.passages:
        begins = [span.start for span in passage.spans]
        found.extend(
            (offset + max(bisect_right(begins, number.start) - 1, 0), number)
            for number in passage.numbers
        )
        offset += len(passage.spans)
    return found


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
