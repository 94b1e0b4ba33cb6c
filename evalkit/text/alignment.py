"""How much of a sentence's wording stands in its evidence, and which words do not; meaning is left
to embedding scorers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalkit.text.sentences import Span
from evalkit.text.tokens import is_content, ngrams, stem, tokens, words

_Gram = TypeVar("_Gram")


@dataclass(frozen=True)
class Evidence:
    """Evidence texts, tokenised once for all sentences that are held against them."""

    runs: tuple[tuple[str, ...], ...]
    unigrams: frozenset[str]
    bigrams: frozenset[tuple[str, ...]]
    trigrams: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Evidence:
        """Prepare evidence; n-grams do not cross from one text into the next."""
        runs = tuple(tuple(map(stem, words(text))) for text in texts)
        return cls(
            runs,
            frozenset(word for run in runs for word in run),
            frozenset(gram for run in runs for gram in ngrams(run, 2)),
            frozenset(gram for run in runs for gram in ngrams(run, 3)),
        )


@dataclass(frozen=True)
class Alignment:
    """Overlap of one sentence with its evidence.

    Attributes:
        content_words: content words of the sentence.
        coverage: share of them that the evidence holds, by stem; None without content words.
        novel_unigrams, novel_bigrams, novel_trigrams: share of the sentence's distinct n-grams (all
            words, by stem) that the evidence lacks; None where it is too short to have any.
        longest_run: most words in a row, in one evidence text, that the sentence repeats.
        longest_run_share: that over the words of the sentence; None without words.
        unsupported: where the content words stand that the evidence lacks, runs joined.
    """

    content_words: int
    coverage: float | None
    novel_unigrams: float | None
    novel_bigrams: float | None
    novel_trigrams: float | None
    longest_run: int
    longest_run_share: float | None
    unsupported: tuple[Span, ...]


def align(sentence: str, evidence: Evidence | Sequence[str], offset: int = 0) -> Alignment:
    """Hold a sentence against its evidence.

    Args:
        sentence: one sentence of the response.
        evidence: texts, or `Evidence.of(texts)` when several sentences share them.
        offset: where the sentence starts in its response; added to the spans.
    Returns:
        The overlap. Novel n-gram share: See, Liu and Manning (2017), ACL. Longest run: extractive
        fragments of Grusky et al. (2018), NAACL, by a suffix automaton of the sentence, so the time
        is linear in sentence and evidence whatever they repeat.

    >>> found = align("Revenue rose sharply in Europe", ["In Europe revenue rose by 5%."])
    >>> found.coverage, found.longest_run, found.unsupported
    (0.75, 2, (Span(start=13, end=20),))
    """
    if not isinstance(evidence, Evidence):
        evidence = Evidence.of(evidence)
    found = tokens(sentence)
    stems = [stem(token.word) for token in found]
    content = [place for place, token in enumerate(found) if is_content(token.word)]
    missing = [place for place in content if stems[place] not in evidence.unigrams]
    unsupported: list[Span] = []
    last = -2
    for place in missing:
        start, end = found[place].start + offset, found[place].end + offset
        if place == last + 1:
            unsupported[-1] = Span(unsupported[-1].start, end)
        else:
            unsupported.append(Span(start, end))
        last = place
    longest = _longest_run(stems, evidence)
    return Alignment(
        content_words=len(content),
        coverage=1 - len(missing) / len(content) if content else None,
        novel_unigrams=_novel(set(stems), evidence.unigrams),
        novel_bigrams=_novel(set(ngrams(stems, 2)), evidence.bigrams),
        novel_trigrams=_novel(set(ngrams(stems, 3)), evidence.trigrams),
        longest_run=longest,
        longest_run_share=longest / len(stems) if stems else None,
        unsupported=tuple(unsupported),
    )


def _novel(grams: set[_Gram], known: frozenset[_Gram]) -> float | None:
    return len(grams - known) / len(grams) if grams else None


def _longest_run(stems: list[str], evidence: Evidence) -> int:
    if evidence.unigrams.isdisjoint(stems):
        return 0
    if evidence.bigrams.isdisjoint(ngrams(stems, 2)):
        return 1
    steps, links, lengths = _automaton(stems)
    best = 0
    for run in evidence.runs:
        state = length = 0
        for word in run:
            while state and word not in steps[state]:
                state = links[state]
                length = lengths[state]
            if word in steps[state]:
                state = steps[state][word]
                length += 1
                best = max(best, length)
    return best


def _automaton(stems: list[str]) -> tuple[list[dict[str, int]], list[int], list[int]]:
    """Suffix automaton of a word sequence; Blumer et al. (1985), Theor. Comput. Sci. 40:31."""
    steps: list[dict[str, int]] = [{}]
    links, lengths = [-1], [0]
    last = 0
    for word in stems:
        new = len(steps)
        steps.append({})
        lengths.append(lengths[last] + 1)
        links.append(0)
        state = last
        while state >= 0 and word not in steps[state]:
            steps[state][word] = new
            state = links[state]
        if state >= 0:
            target = steps[state][word]
            if lengths[target] == lengths[state] + 1:
                links[new] = target
            else:
                clone = len(steps)
                steps.append(dict(steps[target]))
                lengths.append(lengths[state] + 1)
                links.append(links[target])
                while state >= 0 and steps[state].get(word) == target:
                    steps[state][word] = clone
                    state = links[state]
                links[target] = links[new] = clone
        last = new
    return steps, links, lengths
