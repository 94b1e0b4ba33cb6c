"""Puts placeholders where personal data stand. What counts as such: `personal.py`; which parts of a
row are gone through: `ingest/redaction.py`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.text.glance import Glance, are_few
from evalkit.text.necessary import necessary
from evalkit.text.personal import CLASSES, Datum, disjoint, find

__all__ = ["PLACEHOLDER", "Masks", "Redactor", "may_be_placed"]

#: What was put in earlier is no datum of an own pattern.
PLACEHOLDER = re.compile(
    r"\[[A-Z][A-Z0-9_]{0,60}(?: [0-9]{1,6})?\]|[a-z][a-z0-9_-]{0,60}-[0-9a-f]{16}"
)
_MAY_BE_PLACED = necessary(PLACEHOLDER)
_NOT_LABEL = re.compile(r"[^A-Z0-9]+")
#: Looked-at texts that are remembered: chunks and system prompts come with row after row.
_REMEMBERED = 4096
_REMEMBERED_CHARACTERS = 16_000_000
_HASH_DIGITS = 16


def may_be_placed(texts: Sequence[str]) -> NDArray[np.bool_]:
    """For each text whether there may be a placeholder in it."""
    try:
        array = pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return np.ones(len(texts), np.bool_)
    if are_few(array):
        return np.ones(len(texts), np.bool_)
    return np.array(pc.match_substring_regex(array, _MAY_BE_PLACED))


class Redactor:
    """Finds what is to be taken out of texts: built-in classes and own patterns.

    Args:
        classes: of `personal.CLASSES`.
        patterns: own ones by name; each match is a datum of the class of that name.
        key: makes the hashes that stand for data in ids; without it anyone can make them.
    """

    def __init__(
        self,
        classes: Collection[str],
        patterns: Mapping[str, re.Pattern[str]] | None = None,
        key: bytes = b"",
    ) -> None:
        self.classes = tuple(one for one in CLASSES if one in classes)
        self.patterns = dict(patterns or {})
        self._order = (*self.patterns, *CLASSES)
        self._key = key
        self._glance = Glance(self.classes) if self.classes else None
        self._seen: dict[str, list[Datum]] = {}
        self._characters = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is looked for."""
        return not self.classes and not self.patterns

    def masks(self, above: int = 0, clean: Collection[str] = ()) -> Masks:
        """Placeholders for the texts of one row, their numbers `above` one: equal data get equal ones.
        In `clean` texts there is nothing, as is known already."""
        return Masks(self, above, clean)

    def kind_of(self, placeholder: str) -> str | None:
        """The class that a placeholder or a hash in an id stands for; None where it is none of ours."""
        bare = placeholder.strip("[]").rpartition(
            " " if placeholder[0] == "[" and " " in placeholder else "-"
        )
        label = _NOT_LABEL.sub("_", (bare[0] or bare[2]).upper())
        return next(
            (kind for kind in self._order if _NOT_LABEL.sub("_", kind.upper()) == label), None
        )

    def find(self, text: str) -> list[Datum]:
        """What is to be taken out of a text, ordered and disjoint."""
        known = self._seen.get(text)
        if known is not None:
            return known
        found = find(text, self.classes) if self.classes else []
        own = list(self._own(text)) if self.patterns else []
        if own:
            found = disjoint([*own, *found], self._order)
        if self._characters + len(text) > _REMEMBERED_CHARACTERS or len(self._seen) >= _REMEMBERED:
            self._seen.clear()
            self._characters = 0
        self._seen[text] = found
        self._characters += len(text)
        return found

    def holding(self, texts: Sequence[str] | pa.Array) -> NDArray[np.bool_]:
        """For each of many texts whether `find` finds something in it; of NULL it does not.

        >>> Redactor(["email"]).holding(["Ask jane@example.org.", "Ask Jane."])
        array([ True, False])
        """
        if self.idle:
            return np.zeros(len(texts), np.bool_)
        if not isinstance(texts, pa.Array):
            try:
                texts = pa.array(texts, pa.string())
            except UnicodeEncodeError:  # half of a character, which only Python can hold
                return np.array([bool(self.find(text)) for text in texts], np.bool_)
        if self.patterns or self._glance is None or are_few(texts):
            found = texts.is_valid().to_numpy(zero_copy_only=False)
        else:
            found = self._glance.may_hold(texts)
        some = np.flatnonzero(found)
        nearer = texts.take(pa.array(some)).to_pylist()
        held = {text for text in set(nearer) if self.find(text)}
        found = np.zeros(len(texts), np.bool_)
        found[some] = [text in held for text in nearer]
        return found

    def _own(self, text: str) -> Iterator[Datum]:
        taken: list[tuple[int, int]] | None = None
        for name, pattern in self.patterns.items():
            for match in pattern.finditer(text):
                if not match[0]:
                    continue
                if taken is None:
                    taken = [placed.span() for placed in PLACEHOLDER.finditer(text)]
                if not any(start < match.end() and match.start() < end for start, end in taken):
                    yield Datum(name, match.start(), match.end(), match[0])

    def hashed(self, datum: Datum, text: str) -> str:
        """What stands for a datum in an id: its class and a hash of how it was written there."""
        written = text[datum.start : datum.end].encode("utf-8", "replace")
        if self._key:
            digest = hmac.new(self._key, written, hashlib.sha256).hexdigest()
        else:
            digest = hashlib.sha256(written).hexdigest()
        return f"{datum.kind.lower()}-{digest[:_HASH_DIGITS]}"


class Masks:
    """The placeholders of one row, and how many data of each class were taken out of it.

    >>> masks = Redactor(["email"]).masks()
    >>> masks.text("Is it jane@example.org or bob@example.org?"), masks.text("JANE@example.org")
    ('Is it [EMAIL 1] or [EMAIL 2]?', '[EMAIL 1]')
    >>> masks.counts["email"]
    3
    """

    def __init__(self, redactor: Redactor, above: int = 0, clean: Collection[str] = ()) -> None:
        self._redactor = redactor
        self._clean = clean
        self._above = above
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Prose: data are numbered in the order in which they are first seen."""
        found = self._find(text)
        return (
            self._replaced(text, found, [self._numbered(datum) for datum in found])
            if found
            else text
        )

    def name(self, text: str) -> str:
        """What rows are grouped by: no numbers, so that equal routes stay equal."""
        found = self._find(text)
        return (
            self._replaced(text, found, [f"[{_label(datum)}]" for datum in found])
            if found
            else text
        )

    def id(self, text: str) -> str:
        """What tells things apart: hashes, so that different ids stay different."""
        found = self._find(text)
        if not found:
            return text
        return self._replaced(text, found, [self._redactor.hashed(datum, text) for datum in found])

    def _find(self, text: str) -> Sequence[Datum]:
        return () if text in self._clean else self._redactor.find(text)

    def _numbered(self, datum: Datum) -> str:
        key = (datum.kind, datum.value)
        number = self._numbers.get(key)
        if number is None:
            self._last[datum.kind] += 1
            number = self._numbers[key] = self._above + self._last[datum.kind]
        return f"[{_label(datum)} {number}]"

    def _replaced(self, text: str, found: Sequence[Datum], instead: list[str]) -> str:
        parts, last = [], 0
        for datum, placed in zip(found, instead, strict=True):
            self.counts[datum.kind] += 1
            parts += [text[last : datum.start], placed]
            last = datum.end
        return "".join([*parts, text[last:]])


def _label(datum: Datum) -> str:
    return _NOT_LABEL.sub("_", datum.kind.upper())
