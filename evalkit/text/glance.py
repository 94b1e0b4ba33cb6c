"""A first look at many texts at once: in which personal data may stand. Most hold none, and those are
not looked at again. What is in the others is for `personal.find` to say."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.text import disguises, packed
from evalkit.text.disguises import plain
from evalkit.text.necessary import Hint
from evalkit.text.numbers_of_people import HINTS as NUMBERS
from evalkit.text.personal import HINTS

__all__ = ["Glance", "are_few"]

#: RE2 makes its machine anew in every pass: `find` has gone through so little text before that is done.
_FEW_TEXTS = 400
_FEW_BYTES = 40_000


class Glance:
    """Says of each text whether any of some classes may stand in it.

    The hints that stand beside the patterns of each class are put together to a few patterns, which
    RE2 tries in one pass each: simple ones on all texts, the others where those match. Where none
    does, `personal.find` finds nothing.

    Args:
        classes: of `personal.CLASSES`, not empty.
    """

    def __init__(self, classes: Collection[str]) -> None:
        wanted = [kind for kind in HINTS if kind in classes]
        if not NUMBERS.keys().isdisjoint(wanted) and "ip" not in wanted:
            wanted.append("ip")  # addresses are taken out before numbers are looked for
        hints = [hint for kind in wanted for hint in HINTS[kind]]
        runs = [hint for hint in hints if hint.first == packed.LONG_RUN]
        others = [hint for hint in hints if hint.first != packed.LONG_RUN]
        # Two passes: the states of one machine for both would be multiplied.
        self._looks = (
            _Look([*disguises.HINTS, disguises.ODD_CASES], runs, packed.HINTS),
            _Look(others),
        )
        self._plain = (_Look([disguises.ODD_CASES], runs), _Look(others))
        self._disguised = _Look(disguises.HINTS)
        self._packed = _Look(packed.HINTS)

    def may_hold(self, texts: pa.Array) -> NDArray[np.bool_]:
        """For each of some strings whether something may stand in it; of NULL it may not.

        >>> Glance(["email"]).may_hold(pa.array(["Ask jane@example.org.", "Ask Jane @ noon.", None]))
        array([ True, False, False])
        """
        found = _any(self._looks, texts)
        some = np.flatnonzero(found)
        nearer = texts.take(pa.array(some))
        if not are_few(nearer):
            found[some] = self._may_hold_behind(nearer)
        return found

    def _may_hold_behind(self, texts: pa.Array) -> NDArray[np.bool_]:
        """As `may_hold`, for texts of which many are disguised: most of those have a dash in prose."""
        found = np.ones(len(texts), np.bool_)
        some = np.flatnonzero(self._disguised.hits(texts))
        disguised = texts.take(pa.array(some))
        if not are_few(disguised):
            forms = pa.array([plain(text).text for text in disguised.to_pylist()], pa.string())
            found[some] = _any(self._plain, forms) | self._packed.hits(disguised)
        return found


def are_few(texts: pa.Array) -> bool:
    """Whether so little text is sooner gone through by `personal.find`."""
    return len(texts) < _FEW_TEXTS and texts.nbytes < _FEW_BYTES


class _Look:
    """One pass over all texts, and one for each group of hints over those that it leaves."""

    def __init__(self, *groups: Iterable[Hint]) -> None:
        hints = [hint for group in groups for hint in group]
        self._first = "|".join(dict.fromkeys(hint.first for hint in hints))
        then = ["|".join(hint.then for hint in group if hint.then) for group in groups]
        enough = "|".join(hint.first for hint in hints if not hint.then)
        self._then = [one for one in (enough, *then) if one] if any(then) else []

    def hits(self, texts: pa.Array) -> NDArray[np.bool_]:
        found = _matches(texts, self._first)
        some = np.flatnonzero(found)
        nearer = texts.take(pa.array(some)) if self._then else None
        if nearer is not None and not are_few(nearer):
            found[some] = np.logical_or.reduce([_matches(nearer, then) for then in self._then])
        return found


def _any(looks: Iterable[_Look], texts: pa.Array) -> NDArray[np.bool_]:
    found = np.zeros(len(texts), np.bool_)
    for look in looks:
        found |= look.hits(texts)
    return found


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    if not pattern:
        return np.zeros(len(texts), np.bool_)
    found = pc.match_substring_regex(texts, pattern)
    return np.array(found.fill_null(False).to_numpy(zero_copy_only=False))
