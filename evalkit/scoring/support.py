"""How far each sentence of a response stands on its contexts, by words and by meaning; what that is worth is decided by the scorers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.text import names as name_finder
from evalkit.text import negation as polarities
from evalkit.text import numbers as number_finder
from evalkit.text.numbers import Number
from evalkit.text.sentences import Span
from evalkit.text.tokens import Token, is_content, ngrams, stem, tokens, words

__all__ = ["SENTENCE_FEATURES", "Support", "support_of"]

# Beyond these a row gets status over_budget: to score a part and call it the whole would be a wrong value.
MAX_RESPONSE_CHARS = 60_000
MAX_RESPONSE_SENTENCES = 400
MAX_CONTEXT_CHARS = 600_000
MAX_CONTEXT_SENTENCES = 4_000
# Rounding is forgiven against this many numbers of a row's contexts; beyond them only equality counts.
MAX_ROUNDED = 400

SENTENCE_FEATURES = (
    "novel_share",  # of its content words, those in no context and not in the query
    "novel_count",
    "novel_bigrams",  # of its word pairs, those in no context
    "novel_trigrams",
    "uncovered",  # of its content words, rare ones counting more, those not in its best two sentences
    "distance_best",  # 1 - cosine to the nearest context sentence
    "distance_window",  # the same, to the nearest one or two neighbouring sentences
    "distance_top3",  # the same, mean of the three nearest
    "numbers_new",  # numbers that no context and not the query supports
    "numbers_misplaced",  # numbers that the contexts hold, but not near its evidence
    "names_new",
    "names_misplaced",
    "negation_differs",  # 1 when exactly one of it and its evidence sentence denies
    "directions_differ",  # axes (rise or fall, more or less) on which it and its evidence sentence are opposed
    "words",  # content words
    "copied_share",  # its longest run of copied words, as a share of it
)
_COLUMN = {name: k for k, name in enumerate(SENTENCE_FEATURES)}

# Words about the answering itself claim nothing of the world ("Based on the given passages, ...").
_ABOUT_ANSWERING = frozenset(
    stem(word)
    for word in (
        "answer answers based context contexts document documents following given information "
        "mention mentioned mentions okay passage passages provide provided provides question "
        "according summary sure text article articles source sources certainly overall "
        "conclusion additionally furthermore moreover finally also include including includes"
    ).split()
)
# Below this coverage two sentences do not speak of the same thing, and their negations do not compare.
_COMPARABLE = 0.4


@dataclass(frozen=True)
class Support:
    """What the contexts of one interaction say about each claim sentence of its response.

    Attributes:
        status: None, or why there are no features (then all else is empty).
        spans: the claim sentences' places in the response.
        features: float64 [claim sentences, len(SENTENCE_FEATURES)].
        chunk_evidence: float64 [claim sentences, chunks], 0..1: how much of a sentence each chunk holds.
        new_words: for each claim sentence, the places of words and numbers that no context holds.
    """

    status: str | None
    spans: tuple[Span, ...]
    features: NDArray[np.float64]
    chunk_evidence: NDArray[np.float64]
    new_words: tuple[tuple[Span, ...], ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """One feature of all claim sentences, float64 [claim sentences]."""
        return self.features[:, _COLUMN[name]]


@dataclass(frozen=True)
class _Passage:
    """A chunk's words in the form that comparisons need; made once for each distinct chunk of a batch."""

    text: str
    spans: tuple[Span, ...]
    content: tuple[frozenset[str], ...]
    words: frozenset[str]
    bigrams: frozenset[tuple[str, ...]]
    trigrams: frozenset[tuple[str, ...]]
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class _Context:
    """All chunks of one row side by side; sentences are counted through them."""

    passages: tuple[_Passage, ...]
    part: NDArray[np.int64]  # [sentences] chunk of each sentence
    has_next: NDArray[np.bool_]  # [sentences] whether the next sentence is of the same chunk
    content: tuple[frozenset[str], ...]
    places: tuple[tuple[int, Span], ...]  # [sentences] chunk and span
    postings: dict[str, list[int]]
    words: set[str]
    bigrams: set[tuple[str, ...]]
    trigrams: set[tuple[str, ...]]

    def sentence(self, j: int) -> str:
        """The text of context sentence j."""
        part, span = self.places[j]
        return self.passages[part].text[span.start : span.end]


def support_of(batch: Batch) -> list[Support]:
    """The support of each row's response, made once per batch.

    Args:
        batch: rows with `query`, `response` and `contexts`.
    Returns:
        One `Support` a row, in order; it depends on that row alone. Statuses: not_applicable (no response, no
        context, or nothing is claimed) and over_budget (beyond the limits at the head of this module).
    """
    return batch.memo("support", lambda: _Maker(batch).rows())


def _nothing(status: str) -> Support:
    return Support(status, (), np.zeros((0, len(SENTENCE_FEATURES))), np.zeros((0, 0)), ())


class _Maker:
    """What the rows of one batch share while their support is made: stems by word, passages by text."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._stems: dict[str, str] = {}
        self._passages: dict[str, _Passage] = {}
        self._polarities: dict[str, polarities.Polarity] = {}

    def rows(self) -> list[Support]:
        batch = self._batch
        responses, queries = batch.strings("response"), batch.strings("query")
        chunks = batch.chunks()
        found = []
        for i, response in enumerate(responses):
            texts = [chunk.text for chunk in chunks[i]]
            if response is None or not texts:
                found.append(_nothing("not_applicable"))
                continue
            split = batch.sentences("contexts")[i]
            spans = batch.sentences("response")[i][0]
            if (
                len(response) > MAX_RESPONSE_CHARS
                or len(spans) > MAX_RESPONSE_SENTENCES
                or sum(map(len, texts)) > MAX_CONTEXT_CHARS
                or sum(map(len, split)) > MAX_CONTEXT_SENTENCES
            ):
                found.append(_nothing("over_budget"))
                continue
            context = self._context(texts, split)
            mine = batch.embed("response", by="sentence").row(i)
            theirs = batch.embed("contexts", by="sentence").row(i)
            found.append(self._row(queries[i] or "", response, spans, context, mine, theirs))
        return found

    def _stem(self, word: str) -> str:
        found = self._stems.get(word)
        if found is None:
            found = self._stems[word] = stem(word)
        return found

    def _content(self, folded: Iterable[str]) -> list[str]:
        stems = [self._stem(word) for word in folded if is_content(word)]
        return [word for word in stems if word not in _ABOUT_ANSWERING]

    def _polarity(self, sentence: str) -> polarities.Polarity:
        found = self._polarities.get(sentence)
        if found is None:
            found = self._polarities[sentence] = polarities.polarity(sentence)
        return found

    def _passage(self, text: str, spans: Sequence[Span]) -> _Passage:
        made = self._passages.get(text)
        if made is not None:
            return made
        folded = [words(text[span.start : span.end]) for span in spans]
        stems = tuple(tuple(map(self._stem, sentence)) for sentence in folded)
        made = _Passage(
            text=text,
            spans=tuple(spans),
            content=tuple(frozenset(self._content(sentence)) for sentence in folded),
            words=frozenset(word for sentence in stems for word in sentence),
            bigrams=frozenset(pair for sentence in stems for pair in ngrams(sentence, 2)),
            trigrams=frozenset(run for sentence in stems for run in ngrams(sentence, 3)),
            numbers=tuple(number_finder.facts(text)),
        )
        self._passages[text] = made
        return made

    def _context(self, texts: Sequence[str], split: Sequence[Sequence[Span]]) -> _Context:
        passages = tuple(
            self._passage(text, spans) for text, spans in zip(texts, split, strict=True)
        )
        part = np.repeat(np.arange(len(passages)), [len(p.spans) for p in passages])
        postings: dict[str, list[int]] = {}
        position = 0
        for passage in passages:
            for content in passage.content:
                for word in content:
                    postings.setdefault(word, []).append(position)
                position += 1
        return _Context(
            passages=passages,
            part=part,
            has_next=np.r_[part[1:] == part[:-1], np.zeros(min(1, len(part)), dtype=bool)],
            content=tuple(c for p in passages for c in p.content),
            places=tuple((k, span) for k, p in enumerate(passages) for span in p.spans),
            postings=postings,
            words=set().union(*(p.words for p in passages)),
            bigrams=set().union(*(p.bigrams for p in passages)),
            trigrams=set().union(*(p.trigrams for p in passages)),
        )

    def _row(
        self,
        query: str,
        response: str,
        spans: Sequence[Span],
        context: _Context,
        mine: NDArray[np.float32],
        theirs: NDArray[np.float32],
    ) -> Support:
        if not len(context.part):
            return _nothing("not_applicable")
        parted = _by_span(tokens(response), spans)
        claims = [k for k, part in enumerate(parted) if self._content(t.word for t in part)]
        if not claims:
            return _nothing("not_applicable")
        known = context.words | {self._stem(word) for word in words(query)}
        distances = _Distances.of(mine[claims], theirs, context.has_next)
        figures = _Figures(response, query, context)
        named = _by_span(name_finder.names(response), spans)
        features = np.zeros((len(claims), len(SENTENCE_FEATURES)))
        chunk_evidence = np.zeros((len(claims), len(context.passages)))
        new_words = []
        for row, k in enumerate(claims):
            sentence = parted[k]
            stems = [self._stem(token.word) for token in sentence]
            content = self._content(token.word for token in sentence)
            coverage, window_coverage = _coverage(content, context)
            closeness = 0.5 * window_coverage + 0.5 * np.clip(distances.cosine_window[row], 0, 1)
            best = int(np.argmax(closeness))
            near = _neighbours(best, context.part)
            figures_new, figures_away = figures.judge(spans[k], near)
            names_new, names_away = self._names(named[k], known, context, near)
            fresh = [t for t in sentence if self._is_new(t.word, known)]
            novel = sum(word not in known for word in content)
            evidence = near[int(np.argmax(coverage[near.start : near.stop]))]
            negation, directions = 0.0, 0.0
            if coverage[evidence] >= _COMPARABLE:
                said = self._polarity(response[spans[k].start : spans[k].end])
                found = self._polarity(context.sentence(evidence))
                negation = float(said.is_negative != found.is_negative)
                directions = float(polarities.conflicts(said, found))
            features[row] = (
                novel / len(content),
                novel,
                _share_outside(ngrams(stems, 2), context.bigrams),
                _share_outside(ngrams(stems, 3), context.trigrams),
                1 - window_coverage.max(),
                1 - distances.cosine[row].max(),
                1 - distances.cosine_window[row].max(),
                1 - np.sort(distances.cosine[row])[-3:].mean(),
                len(figures_new),
                figures_away,
                len(names_new),
                names_away,
                negation,
                directions,
                len(content),
                _longest_run(stems, context.trigrams) / max(len(stems), 1),
            )
            np.maximum.at(chunk_evidence[row], context.part, closeness)
            places = [Span(t.start, t.end) for t in fresh] + figures_new + names_new
            new_words.append(tuple(_merged(places, response)))
        return Support(
            None,
            tuple(spans[k] for k in claims),
            features,
            chunk_evidence,
            tuple(new_words),
        )

    def _is_new(self, word: str, known: Collection[str]) -> bool:
        found = self._stem(word)
        return is_content(word) and found not in known and found not in _ABOUT_ANSWERING

    def _names(
        self,
        found: Sequence[name_finder.Name],
        known: Collection[str],
        context: _Context,
        near: range,
    ) -> tuple[list[Span], int]:
        """Names of a sentence that stand nowhere, and how many stand elsewhere than near its evidence."""
        if not found:
            return [], 0
        beside = set().union(*(context.content[j] for j in near))
        new, away = [], 0
        for name in found:
            parts = self._content(words(name.text))
            if any(part not in known for part in parts):
                new.append(Span(name.start, name.end))
            elif any(part not in beside for part in parts):
                away += 1
        return new, away


@dataclass(frozen=True)
class _Distances:
    """Cosines of claim sentences to context sentences, and to pairs of neighbours.

    The vector of a pair is the sum of its two, so no text is encoded twice. Rounded, because the last
    bits of a matrix product may depend on where its operands lie in memory.
    """

    cosine: NDArray[np.float64]
    cosine_window: NDArray[np.float64]

    @staticmethod
    def of(
        mine: NDArray[np.float32], theirs: NDArray[np.float32], has_next: NDArray[np.bool_]
    ) -> _Distances:
        raw = np.ascontiguousarray(mine) @ np.ascontiguousarray(theirs).T
        cosine = np.round(raw.astype(np.float64), 5)
        window = cosine.copy()
        first = np.flatnonzero(has_next)
        if len(first):
            both = np.einsum("ij,ij->i", theirs[first], theirs[first + 1]).astype(np.float64)
            norm = np.sqrt(np.maximum(2 + 2 * np.round(both, 5), 1e-6))
            pair = (cosine[:, first] + cosine[:, first + 1]) / norm
            window[:, first] = np.maximum(window[:, first], pair)
        return _Distances(cosine, window)


class _Figures:
    """The numbers of a response, judged against those of its contexts and its query."""

    def __init__(self, response: str, query: str, context: _Context) -> None:
        self._mine = number_finder.facts(response)
        self._starts = [number.start for number in self._mine]
        self._everywhere = [n for passage in context.passages for n in passage.numbers]
        self._query = number_finder.facts(query) if query and self._mine else []
        self._all = [*self._everywhere, *self._query]
        self._equal = {(n.value, n.kind, n.unit) for n in self._all}
        self._rounded = self._all[:MAX_ROUNDED]
        self._homes: list[tuple[int, Number]] = []
        if self._mine:
            offset = 0
            for passage in context.passages:
                begins = [span.start for span in passage.spans]
                for number in passage.numbers:
                    home = bisect_right(begins, number.start) - 1
                    self._homes.append((offset + max(home, 0), number))
                offset += len(passage.spans)

    def judge(self, span: Span, near: range) -> tuple[list[Span], int]:
        """Numbers of a sentence that are nowhere, and how many are elsewhere than near its evidence."""
        first = bisect_right(self._starts, span.start - 1)
        new: list[Span] = []
        away = 0
        for number in self._mine[first:]:
            if number.start >= span.end:
                break
            if not self._is_held(number):
                new.append(Span(number.start, number.end))
            elif self._homes:
                # Homes rise, so those of the evidence are one slice.
                low = bisect_right(self._homes, near.start - 1, key=lambda home: home[0])
                high = bisect_right(self._homes, near.stop - 1, key=lambda home: home[0])
                beside = [other for _, other in self._homes[low:high][:MAX_ROUNDED]]
                away += not number_finder.supported(number, [*beside, *self._query[:MAX_ROUNDED]])
        return new, away

    def _is_held(self, number: Number) -> bool:
        if (number.value, number.kind, number.unit) in self._equal:
            return True
        return number_finder.supported(number, self._rounded)


def _coverage(
    content: Sequence[str], context: _Context
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of a sentence's content words in each context sentence, and in it with its next; rare words count more."""
    n = len(context.part)
    distinct = list(dict.fromkeys(content))
    hits = np.zeros((len(distinct), n))
    weights = np.empty(len(distinct))
    for k, word in enumerate(distinct):
        places = context.postings.get(word, ())
        hits[k, list(places)] = 1.0
        weights[k] = np.log1p(n / (1 + len(places)))
    paired = hits.copy()
    first = np.flatnonzero(context.has_next)
    paired[:, first] = np.maximum(hits[:, first], hits[:, first + 1])
    total = weights.sum()
    return (weights[:, None] * hits).sum(axis=0) / total, (weights[:, None] * paired).sum(
        axis=0
    ) / total


def _neighbours(best: int, part: NDArray[np.int64]) -> range:
    """The context sentences about the best one, of the same chunk: one before it, two after."""
    low, high = best, best + 1
    if low > 0 and part[low - 1] == part[best]:
        low -= 1
    while high < min(len(part), best + 3) and part[high] == part[best]:
        high += 1
    return range(low, high)


def _share_outside(runs: Iterable[tuple[str, ...]], known: Collection[tuple[str, ...]]) -> float:
    listed = list(runs)
    return sum(run not in known for run in listed) / len(listed) if listed else 0.0


def _longest_run(stems: Sequence[str], trigrams: Collection[tuple[str, ...]]) -> int:
    """Words of the longest stretch of which every three-word run stands in a context."""
    longest = current = 0
    for run in ngrams(stems, 3):
        current = current + 1 if run in trigrams else 0
        longest = max(longest, current)
    return longest + 2 if longest else 0


def _by_span(
    items: Sequence[Token] | Sequence[name_finder.Name], spans: Sequence[Span]
) -> list[list]:  # type: ignore[type-arg]
    """The items that begin within each span."""
    starts = [item.start for item in items]
    edges = [(bisect_right(starts, s.start - 1), bisect_right(starts, s.end - 1)) for s in spans]
    return [list(items[low:high]) for low, high in edges]


def _merged(places: Iterable[Span], text: str) -> list[Span]:
    """Places in order, overlapping ones and ones with only white space between them made one."""
    ordered = sorted(places)
    found: list[Span] = []
    for place in ordered:
        if found and (place.start <= found[-1].end or text[found[-1].end : place.start].isspace()):
            found[-1] = Span(found[-1].start, max(found[-1].end, place.end))
        else:
            found.append(place)
    return found
