"""Words of a text, folded so that equal words compare equal, and their n-grams; sentence ends live
in `sentences`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from evalkit.text.word_lists import word_set


class Token(NamedTuple):
    """One word: its folded form and where it stands in the text."""

    word: str
    start: int
    end: int


# The folded forms and stems of so many words of no more than a usual length are kept: a text has
# few words that no other has.
_USUAL = 32
_MOST_KEPT = 1 << 16
# Each alternative is possessive and cannot fail once begun: linear on any text.
_ASCII = re.compile(r"[0-9]++(?:[.,][0-9]++)*+[A-Za-z]*+|[A-Za-z][A-Za-z0-9]*+(?:'[A-Za-z]++)*+")
_WIDE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff\u0e30-\u0e4e"
_ANY = re.compile(
    rf"[{_WIDE}]"  # no spaces between words there: a character is a token
    r"|\d++(?:[.,]\d++)*+[^\W\d_]*+"
    rf"|[^\W\d_](?:(?![{_WIDE}])[^\W_]|[{_MARKS}])*+"
    rf"(?:['\u2019](?:(?![{_WIDE}])[^\W\d_])++)*+"
)

STOP_WORDS = word_set(
    "a about above after again against all also am an and any are as at be because been before "
    "being below between both but by can could did do does doing down during each few for from "
    "further had has have having he her here hers him his how i if in into is it its itself just "
    "may me might more most must my no nor not of off on once only or other our out over own same "
    "shall she should so some such than that the their them then there these they this those "
    "through to too under until up upon us very was we were what when where which while who whom "
    "whose why will with would you your yours it's that's there's i'm i've don't doesn't isn't "
    "aren't wasn't weren't won't can't cannot couldn't shouldn't wouldn't didn't hasn't haven't "
    "hadn't you're they're we're he's she's let's however therefore thus"
)


def tokens(text: str) -> list[Token]:
    """Words of a text with their offsets.

    Args:
        text: any text.
    Returns:
        Ordered, disjoint tokens. Words are folded by `fold`; numbers stay whole ("3.5", "1,000").

    >>> [tuple(token) for token in tokens("Wu's 1,000 km")]
    [('wu', 0, 4), ('1000', 5, 10), ('km', 11, 13)]
    """
    if not text.isascii():
        return [Token(fold(m[0]), m.start(), m.end()) for m in _ANY.finditer(text)]
    found = []
    for m in _ASCII.finditer(text.lower()):
        word = m[0]
        start, end = m.span()
        found.append(Token(word if word.isalpha() else fold(word), start, end))
    return found


def words(text: str) -> list[str]:
    """Folded words of a text, in order."""
    if not text.isascii():
        return [fold(word) for word in _ANY.findall(text)]
    # A word of small letters is its own folded form, and most are.
    return [word if word.isalpha() else fold(word) for word in _ASCII.findall(text.lower())]


def fold(word: str) -> str:
    """One form of a word: case folded, compatibility forms unified, without possessive or
    thousands separators.

    >>> fold("Smith’s"), fold("12,500.50")
    ('smith', '12500.50')
    """
    return _fold(word) if len(word) <= _USUAL else _fold.__wrapped__(word)


@lru_cache(_MOST_KEPT)
def _fold(word: str) -> str:
    if not word.isascii():
        word = unicodedata.normalize("NFKC", word).replace("\u2019", "'")
    word = word.casefold()
    if word[:1].isdigit():
        return word.replace(",", "")
    return word[:-2] if len(word) > 2 and word.endswith("'s") else word


def is_content(word: str) -> bool:
    """Whether a folded word carries content: no stop word, and no single Latin letter."""
    return word not in STOP_WORDS and (len(word) > 1 or not word.isascii() or word.isdigit())


def content_words(text: str) -> list[str]:
    """Folded words that carry content, in order."""
    return [word for word in words(text) if is_content(word)]


def stem(word: str) -> str:
    """A light English stem, so that "rates" meets "rate" and "increased" meets "increase".

    Plurals by Harman (1991), J. Am. Soc. Inf. Sci. 42:7; then -ed, -ing and a final e. Both sides
    of a comparison must be stemmed; a stem is no word to show.

    >>> [stem(word) for word in ("rates", "rate", "studies", "increased", "glass", "2000s")]
    ['rat', 'rat', 'study', 'increas', 'glass', '2000s']
    """
    return _stem(word) if len(word) <= _USUAL else _stem.__wrapped__(word)


@lru_cache(_MOST_KEPT)
def _stem(word: str) -> str:
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("s") and word[-2] not in "usi":
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def ngrams(sequence: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Runs of n words, in order, with repetition.

    Args:
        sequence: words.
        n: length of a run, at least 1.
    Returns:
        max(0, len(sequence) - n + 1) tuples.
    Raises:
        ValueError: when n < 1.
    """
    if n < 1:
        raise ValueError("n must be at least 1")
    return zip(*(sequence[offset:] for offset in range(n)), strict=False)
