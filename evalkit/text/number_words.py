"""Numbers written in English words, "twenty-one" to "half a million"; digits live in `numbers`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.text.word_lists import word_list

MONTHS = {
    name: place
    for place, name in enumerate(
        word_list("jan feb mar apr may jun jul aug sep oct nov dec"), start=1
    )
}

_SMALL = {
    word: value
    for value, word in enumerate(
        word_list(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen"
        )
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        word_list("twenty thirty forty fifty sixty seventy eighty ninety"), start=2
    )
}
_LARGE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        word_list(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
            "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
        ),
        start=1,
    )
} | {word[:-1] + "ieth": value for word, value in _TENS.items()}
_HEADS = frozenset(_SMALL) | frozenset(_TENS) | frozenset(_ORDINALS) | {"half", "a", "an", "dozen"}
_SCALES = frozenset(_LARGE) | {"hundred", "dozen"}
_WORD = re.compile(r"[^\W\d_]++")


@dataclass(frozen=True)
class Phrase:
    """A number in words: its value, the worth of its last place, and where it stands."""

    value: float
    step: float
    is_ordinal: bool
    is_bare_one: bool
    start: int
    end: int


def phrases(text: str) -> list[Phrase]:
    """Numbers written in words.

    Args:
        text: any text.
    Returns:
        Ordered, disjoint phrases.

    >>> [phrase.value for phrase in phrases("Twenty-one of half a million; two and a half billion")]
    [21.0, 500000.0, 2500000000.0]
    """
    found: list[Phrase] = []
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = match[0].casefold()
        if not run:
            if word in _HEADS:
                run = [match]
            continue
        if not _joined(text[run[-1].end() : match.start()]):
            _close(run, found)
            run = []
        if run and (word in _HEADS or word in _SCALES or word in ("and", "of")):
            run.append(match)
        else:
            _close(run, found)
            run = [match] if word in _HEADS else []
    _close(run, found)
    return found


def _joined(gap: str) -> bool:
    return gap in (" ", "-", "\u2010", "\u2011", "\n")


def _close(run: list[re.Match[str]], found: list[Phrase]) -> None:
    """Read as many phrases as a run of number words holds ("one two three" are three)."""
    at = 0
    while at < len(run):
        used, phrase = _read(run, at)
        if phrase and at and found and _is_year(found[-1], phrase):
            first = found.pop()
            value = first.value * 100 + phrase.value
            phrase = Phrase(value, 1.0, False, False, first.start, phrase.end)
        if phrase:
            found.append(phrase)
        at += max(1, used)


def _is_year(first: Phrase, second: Phrase) -> bool:
    """ "nineteen ninety-nine" is one number."""
    near = 0 <= second.start - first.end <= 1 and not second.is_ordinal
    return near and 11 <= first.value <= 20 and 10 <= second.value <= 99


def _read(run: list[re.Match[str]], begin: int) -> tuple[int, Phrase | None]:
    """Grammar: [half a] | units, tens, hundreds, each followed by scales; "and" after a scale."""
    total = 0.0  # finished scales
    part: float | None = None  # the group being read
    step, last_large = 1.0, float("inf")
    at, good = begin, begin
    is_ordinal = False
    while at < len(run):
        word = run[at][0].casefold()
        following = run[at + 1][0].casefold() if at + 1 < len(run) else ""
        if word == "half" and part is None and total == 0:
            part, step = 0.5, 0.1
            if following in ("a", "an") and at + 2 < len(run):
                at += run[at + 2][0].casefold() in _SCALES
        elif word in ("a", "an"):
            if part is not None or following not in _SCALES:
                break
            part = 1.0
            step = 1.0
        elif word == "and":
            rest = [m[0].casefold() for m in run[at + 1 : at + 3]]
            if rest == ["a", "half"] and part is not None:
                part, step, at = part + 0.5, 0.1, at + 2
            elif (
                good == at
                and begin < at
                and run[at - 1][0].casefold() in _SCALES
                and following in (_SMALL.keys() | _TENS.keys() | _ORDINALS.keys())
            ):
                at += 1
                continue
            else:
                break
        elif word in _SMALL or word in _TENS or word in _ORDINALS:
            value = _SMALL.get(word, _TENS.get(word, _ORDINALS.get(word, 0)))
            room = 0 if part is None else part % 100
            fits = part is None or room == 0 or (room in _TENS.values() and 0 < value < 10)
            if part == 0.5 or not fits or (part == 0 and begin < at):
                break
            part = (part or 0.0) + value
            step = 1.0
            is_ordinal = word in _ORDINALS
        elif word == "hundred" and part is not None and part < 100:
            part, step = part * 100, step * 100
        elif word == "dozen" and (part is None or part < 100):
            part, step = (1.0 if part is None else part) * 12, 1.0
        elif word in _LARGE and part is not None and _LARGE[word] < last_large:
            last_large = _LARGE[word]
            total, part, step = total + part * last_large, None, step * last_large
        else:
            break
        at += 1
        good = at
        if is_ordinal:
            break
    if good == begin or (part is None and total == 0):
        return 1, None
    last = run[good - 1]
    is_bare_one = good - begin == 1 and run[begin][0].casefold() == "one"
    return good - begin, Phrase(
        total + (part or 0.0), step, is_ordinal, is_bare_one, run[begin].start(), last.end()
    )
