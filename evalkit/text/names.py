"""Names in a text, by capitals and position alone, and whether a context holds them; no model, so
it misses names in scripts without capitals."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from evalkit.text import sentences
from evalkit.text.tokens import STOP_WORDS, content_words, fold
from evalkit.text.word_lists import word_set

_WORD = re.compile(r"(?:[A-Z]\.){2,6}+|[^\W_](?:[^\W_]|['\u2019&-](?=[^\W_]))*+")
_LINKS = word_set("of the de la le du van von der den bin al da di del for")
# Capitalised for other reasons than being a name.
_NOT_NAMES = STOP_WORDS | word_set(
    "i i'm i'll i'd yes no ok okay please sorry thanks hello hi according based note answer "
    "question context source summary however overall finally additionally furthermore moreover "
    "also if first second third step although since despite while unfortunately yesterday today "
    "tomorrow meanwhile recently later earlier now still even instead like unlike during among "
    "within without through given another several many dear president minister former"
)


@dataclass(frozen=True)
class Name:
    """A name and where it stands."""

    text: str
    start: int
    end: int


def names(text: str) -> list[Name]:
    """Name spans of a text: runs of capitalised words and acronyms.

    Args:
        text: any text.
    Returns:
        Ordered, disjoint names. A word at the head of a sentence counts when it is capitalised
        inside another sentence too, is an acronym, or another capitalised word follows. Sentences
        in title case or capitals throughout give none, since capitals say nothing there.

    >>> [name.text for name in names("Angela Merkel met the Bank of England. Merkel left.")]
    ['Angela Merkel', 'Bank of England', 'Merkel']
    """
    parts = [list(_WORD.finditer(text, span.start, span.end)) for span in sentences.split(text)]
    inside = {fold(m[0]) for part in parts for m in part[1:] if _is_capital(m[0])}
    found: list[Name] = []
    for part in parts:
        if not _is_shouting(part):
            found.extend(_of_sentence(text, part, inside))
    return found


def supported(name: Name, context_words: Collection[str]) -> bool:
    """Whether each content word of a name is a word of the context.

    Args:
        name: from `names`.
        context_words: folded words of the context (`tokens.words`), best a set.
    Returns:
        True when nothing of the name is new. A name made of stop words only is supported.

    >>> supported(Name("Angela Merkel", 0, 13), {"angela", "merkel", "met"})
    True
    """
    return all(word in context_words for word in content_words(name.text))


def _is_capital(word: str) -> bool:
    return word[0].isupper()


def _is_acronym(word: str) -> bool:
    return any(letter.isupper() for letter in word[1:])


def _is_shouting(part: list[re.Match[str]]) -> bool:
    lettered = [m[0] for m in part if m[0][0].isalpha() and fold(m[0]) not in STOP_WORDS]
    return len(lettered) >= 6 and sum(map(_is_capital, lettered)) > 0.9 * len(lettered)


def _of_sentence(text: str, part: list[re.Match[str]], inside: set[str]) -> list[Name]:
    found: list[Name] = []
    at = 0
    while at < len(part):
        word = part[at][0]
        if word.islower() or not _starts_name(text, part, at, inside):
            at += 1
            continue
        last = at
        probe = at + 1
        while probe < len(part) and _adjacent(text, part[probe - 1], part[probe]):
            word = part[probe][0]
            if (_is_capital(word) and fold(word) not in ("i", "i'm", "i'll", "i'd")) or (
                word[0].isdigit() and probe == last + 1 and _is_capital(part[last][0])
            ):
                last = probe
            elif word not in _LINKS or probe - last > 2:
                break
            probe += 1
        start, end = part[at].start(), part[last].end()
        found.append(Name(text[start:end], start, end))
        at = last + 1
    return found


def _starts_name(text: str, part: list[re.Match[str]], at: int, inside: set[str]) -> bool:
    word = part[at][0]
    if not _is_capital(word):
        return _is_acronym(word) and word[0].isalpha()  # "iPhone"
    if fold(word) in _NOT_NAMES:
        return False
    if len(word) == 1 and text[part[at].end() : part[at].end() + 1] != ".":
        return False
    if at > 0 or _is_acronym(word) or fold(word) in inside:
        return True
    follower = part[1] if len(part) > 1 else None
    return bool(
        follower
        and _adjacent(text, part[0], follower)
        and _is_capital(follower[0])
        and fold(follower[0]) not in _NOT_NAMES
    )


def _adjacent(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    gap = text[left.end() : right.start()]
    # "J. Smith" and "St. Louis" stay together.
    return gap in (" ", "\n", "\u00a0", "-", " & ") or (gap == ". " and len(left[0]) <= 2)
