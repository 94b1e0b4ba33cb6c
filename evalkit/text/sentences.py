"""Splits text into sentences with exact offsets, in time linear in its length; it knows English
best and other scripts by their stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from evalkit.text.word_lists import word_set

# Part of every score's provenance: a change of the rules changes scores.
VERSION = "1"

MAX_CHARS = 1000


class Span(NamedTuple):
    """A half-open range of characters: text[start:end]."""

    start: int
    end: int


# Before these, the sentence goes on whatever follows.
_TITLES = word_set(
    "mr mrs ms dr prof rev hon gen col capt lt sgt st mt ft messrs mme mlle sen rep gov pres "
    "vs viz cf eg ie e.g i.e approx ca al et fig figs eq eqs sec ch vol vols pp ed eds art dept "
    "univ assn bros est no nos op resp incl excl max min avg tel ext tab ref refs"
)
# These take a dot and may also end a sentence.
_CLOSING = word_set(
    "etc inc ltd co corp plc llc jr sr esq a.m p.m am pm u.s u.k u.n e.u d.c ph.d b.a m.a bc ad "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun "
    "oz lb lbs hr hrs mins secs yr yrs"
)
# Abbreviations only before a figure ("No. 5", "Fig. 2"); else ordinary words.
_BEFORE_FIGURE = word_set("no nos art max min ed est ref tab op sec ch vol fig figs pp")
_STARTERS = word_set(
    "the a an this that these those it its he she they we you i his her their our my in on at by "
    "for from with as if when while after before since because although however but and so then "
    "there here what who where why how no yes not also both each all some many most more one two "
    "according additionally furthermore moreover overall finally first second therefore thus "
    "please let to"
)

_STOPS = ".!?\u2026\u203c\u2047\u2048\u2049"
_WIDE_STOPS = "\u3002\uff01\uff1f\uff61\u061f\u06d4\u0964\u0965\u1362\u104b\u17d4"
# No part of this can fail after it began to match, so nothing is ever scanned twice.
_STOP = re.compile(
    rf"[{_STOPS}{_WIDE_STOPS}]++"
    rf"(?:[\"'\u201d\u2019\u00bb)\]}}*_`\u300d\u300f\uff09]|\[\d{{1,3}}\])*+"
)
_SPACE = re.compile(r"\s*+")
_OPENERS = "\"'\u201c\u2018\u00ab([{*_`\u300c\u300e\u00bf\u00a1"
_MARKER = re.compile(
    r"[ \t]{0,40}+(?:>[ \t]?){0,5}+(?:#{1,6}[ \t]++"
    r"|[-*+\u2022\u2023\u25aa\u25cf\u25e6\u2013][ \t]++(?:\[[ xX]\][ \t]++)?"
    r"|\(?(?:(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|[A-Z]\))[ \t]++)?"
)
_FENCE = re.compile(r"[ \t]{0,12}+(`{3,}|~{3,})")
_WORD = re.compile(r"\w")
# Prose wrapped by hand has lines of about this length; other line ends are meant.
_WRAPPED = range(50, 121)


def split(text: str, max_chars: int = MAX_CHARS) -> list[Span]:
    """Split text into sentences.

    Args:
        text: any text.
        max_chars: longer pieces are cut at white space (or, without any, anywhere).
    Returns:
        Ordered, disjoint spans without surrounding white space, each at most max_chars long and
        holding at least one letter or digit. List and heading marks stand outside the spans.
        A fenced code block is one span (cut only by max_chars).
    Raises:
        ValueError: when max_chars < 1.

    >>> text = "Dr. Wu paid $3.50. Why? See https://a.b/?q=1."
    >>> [text[start:end] for start, end in split(text)]
    ['Dr. Wu paid $3.50.', 'Why?', 'See https://a.b/?q=1.']
    """
    if max_chars < 1:
        raise ValueError("max_chars must be at least 1")
    found: list[Span] = []
    for start, end, is_code in _blocks(text):
        pieces = [Span(start, end)] if is_code else _sentences(text, start, end)
        for piece in pieces:
            found.extend(_cut(text, piece, max_chars))
    return found


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Ranges that sentences never cross: paragraphs, list items, headings, fenced code."""
    begin: int | None = None  # of the open paragraph
    previous = (0, 0)
    fence: tuple[str, int] | None = None
    heading = False
    for start, end in _lines(text):
        mark = _FENCE.match(text, start, end)
        if fence is not None:
            if mark and mark[1].startswith(fence[0]):
                yield fence[1], end, True
                fence = None
            continue
        if mark:
            if begin is not None:
                yield begin, previous[1], False
                begin = None
            fence = (mark[1], start)
            continue
        body = _skip_marker(text, start, end)
        blank = body >= end or text[start:end].isspace()
        fresh = body > start and not text[start:body].isspace()
        if begin is not None and (
            blank or fresh or heading or _line_end_is_meant(text, previous, body)
        ):
            yield begin, previous[1], False
            begin = None
        if blank:
            continue
        if begin is None:
            begin = body
            heading = text[start:body].lstrip(" \t>").startswith("#")
        previous = (start, end)
    if fence is not None:
        yield fence[1], len(text), True
    if begin is not None:
        yield begin, previous[1], False


def _skip_marker(text: str, start: int, end: int) -> int:
    match = _MARKER.match(text, start, end)
    return match.end() if match else start


def _line_end_is_meant(text: str, previous: tuple[int, int], body: int) -> bool:
    start, end = previous
    if end - start in _WRAPPED:
        return text[body] == "|"
    # A short line goes on in the next one only when that begins in lower case.
    return not text[body].islower()


def _sentences(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _STOP.finditer(text, start, end):
        if match.start() < begin:
            continue
        if _ends_sentence(text, begin, match.start(), match.end(), end):
            yield Span(begin, match.end())
            begin = match.end()
    if begin < end:
        yield Span(begin, end)


def _ends_sentence(text: str, begin: int, stop: int, after: int, end: int) -> bool:
    if after >= end:
        return True
    first = text[stop]
    if first in _WIDE_STOPS:
        return True
    if not text[after].isspace():
        return False
    space = _SPACE.match(text, after, end)
    follows = space.end() if space else after
    head = follows
    while head < end and head < follows + 4 and text[head] in _OPENERS:
        head += 1
    if head >= end:
        return True
    if text[head].islower():
        return False  # "e.g. this", "Yahoo! said", "wait ... what"
    if first != "." or text[stop + 1 : stop + 2] == ".":
        return True
    return not _is_abbreviation(text, begin, stop, head, end)


def _is_abbreviation(text: str, begin: int, stop: int, head: int, end: int) -> bool:
    window = text[max(begin, stop - 16) : stop]
    token = window.split()[-1] if window and not window[-1].isspace() else ""
    token = token.lstrip(_OPENERS)
    folded = token.casefold()
    next_word = re.split(r"\W", text[head : min(end, head + 16)], maxsplit=1)[0].casefold()
    if folded in _BEFORE_FIGURE:
        return text[head].isdigit()
    if folded in _TITLES:
        return True
    if len(token) == 1 and token.isalpha() and token.isupper() and token != "I":
        return next_word not in _STARTERS  # "J. Smith", but "vitamin C. The"
    if folded in _CLOSING or ("." in token and token.replace(".", "").isalpha()):
        return next_word not in _STARTERS
    # "1. First" at the head of a sentence, or after a colon, is a list mark.
    lead = window[: len(window) - len(token)].rstrip()
    return token.isdigit() and len(token) <= 2 and (not lead or lead.endswith(":"))


def _cut(text: str, span: Span, max_chars: int) -> Iterator[Span]:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > max_chars:
        at = start + max_chars
        while at > start and not text[at].isspace():
            at -= 1
        at = at if at > start else start + max_chars
        if _WORD.search(text, start, at):
            yield Span(start, at)
        start = at
        while start < end and text[start].isspace():
            start += 1
    # A whole piece may have been trimmed on its right by the loop above.
    if start < end and _WORD.search(text, start, end):
        yield Span(start, end)
