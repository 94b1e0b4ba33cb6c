"""Counts how marked spans of responses meet those that people marked; which spans a metric marks is
the scorer's business."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.agreement.figures import SpanFigure
from evalkit.stats.resampling import Statistic

__all__ = ["UNITS", "Span", "SpanCounts", "count_spans"]

#: Characters, end exclusive.
Span = tuple[int, int]

UNITS = ("character", "word", "response")
# A word, or a single mark; possessive, so linear on any text.
_PIECE = re.compile(r"\w++|[^\w\s]")


@dataclass(frozen=True)
class SpanCounts:
    """Per row and unit (in the order of `UNITS`) how many units there are, float64 [n, 3].

    Attributes:
        known: bool [n]; False where nobody looked for spans, and nothing is counted.
        both: units that are marked and labelled.
        marked, labelled: units of each.
        size: all units of the response.
    """

    known: NDArray[np.bool_]
    both: NDArray[np.float64]
    marked: NDArray[np.float64]
    labelled: NDArray[np.float64]
    size: NDArray[np.float64]

    def of(self, rows: NDArray[np.bool_]) -> SpanCounts:
        """The counts of some rows, bool [n]."""
        return SpanCounts(
            self.known[rows],
            self.both[rows],
            self.marked[rows],
            self.labelled[rows],
            self.size[rows],
        )

    def f1_by_weight(self, unit: int) -> Statistic:
        """F1 over all rows as a function of row weights (float64 [n]), for resampling."""
        both = self.both[:, unit]
        either = self.marked[:, unit] + self.labelled[:, unit]
        return lambda weight: _share(2 * float(weight @ both), float(weight @ either))

    def figure(self, unit: int, interval: tuple[float | None, float | None]) -> SpanFigure:
        """Precision, recall and F1 over all rows: units are summed first, as Niu et al. (2024),
        RAGTruth, ACL, count characters."""
        both, marked, labelled, size = (
            float(counts[:, unit].sum())
            for counts in (self.both, self.marked, self.labelled, self.size)
        )
        return SpanFigure(
            precision=_share(both, marked),
            recall=_share(both, labelled),
            f1=_share(2 * both, marked + labelled),
            f1_lower=interval[0],
            f1_upper=interval[1],
            everything_f1=_share(2 * labelled, size + labelled),
        )


def count_spans(
    responses: Sequence[str | None],
    labelled: Sequence[Sequence[Span] | None],
    marked: Sequence[Sequence[Span]],
) -> SpanCounts:
    """How the marked spans of each response meet the labelled ones.

    Args:
        responses: [n] texts.
        labelled: [n] what people marked; None where nobody looked.
        marked: [n] what a metric marks.
    Returns:
        Counts of characters, of words (also single marks; a word is marked when any of it is) and
        of responses (marked when anything in them is). Spans may overlap; what lies outside of a
        response is no unit.

    >>> counts = count_spans(["It was red."], [[(7, 10)]], [[(3, 10)]])
    >>> counts.both.tolist(), counts.marked.tolist(), counts.labelled.tolist()
    ([[3.0, 1.0, 1.0]], [[7.0, 2.0, 1.0]], [[3.0, 1.0, 1.0]])
    """
    n = len(responses)
    known = np.zeros(n, dtype=np.bool_)
    both, one, other, size = (np.zeros((n, len(UNITS))) for _ in range(4))
    for row, (text, wanted, given) in enumerate(zip(responses, labelled, marked, strict=True)):
        if wanted is None:
            continue
        known[row] = True
        text = text or ""
        gold, mine = _mask(len(text), wanted), _mask(len(text), given)
        pieces = [piece.span() for piece in _PIECE.finditer(text)]
        units = (
            (mine, gold),
            (_touched(mine, pieces), _touched(gold, pieces)),
            (np.array([mine.any()]), np.array([gold.any()])),
        )
        for unit, (a, b) in enumerate(units):
            both[row, unit] = np.count_nonzero(a & b)
            one[row, unit] = np.count_nonzero(a)
            other[row, unit] = np.count_nonzero(b)
            size[row, unit] = len(a)
    return SpanCounts(known, both, one, other, size)


def _mask(length: int, spans: Iterable[Span]) -> NDArray[np.bool_]:
    mask = np.zeros(length, dtype=np.bool_)
    for start, end in spans:
        mask[max(start, 0) : max(end, 0)] = True
    return mask


def _touched(mask: NDArray[np.bool_], pieces: Sequence[Span]) -> NDArray[np.bool_]:
    before = np.r_[0, np.cumsum(mask)]
    places = np.array(pieces, dtype=np.intp).reshape(-1, 2)
    touched: NDArray[np.bool_] = before[places[:, 1]] > before[places[:, 0]]
    return touched


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
