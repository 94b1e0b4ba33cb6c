"""Has the verifier read the claims of each row against their evidence; what a reading is worth is
decided by the scorers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.batch import Batch
from evalkit.scoring.support import support_of
from evalkit.text.sentences import Span

__all__ = ["Verified", "verified"]


@dataclass(frozen=True)
class Verified:
    """The readings of one row's claim sentences.

    Attributes:
        unsupported: float64 [claim sentences], log-odds that a sentence lacks support.
        words: for each claim sentence, the log-odds of its words, float64 [words], the highest of
            each word's tokens.
        places: for each claim sentence, where those words stand in the response.
    """

    unsupported: NDArray[np.float64]
    words: tuple[NDArray[np.float64], ...]
    places: tuple[tuple[Span, ...], ...]


def verified(batch: Batch, rows: Sequence[int]) -> dict[int, Verified] | None:
    """The readings of some rows, made once per batch; None where there is no verifier.

    Args:
        batch: the rows.
        rows: those that have claims to be read (`support_of` has no status for them).
    """
    reader = batch.verifier
    if reader is None:
        return None
    supports, responses = support_of(batch), batch.strings("response")

    def make() -> dict[int, Verified]:
        pairs: list[tuple[str, str]] = []
        for row in rows:
            text = responses[row] or ""
            for span, evidence in zip(supports[row].spans, supports[row].evidence, strict=True):
                pairs.append((text[span.start : span.end], evidence))
        readings = iter(reader.read(pairs))
        found = {}
        for row in rows:
            text = responses[row] or ""
            odds, words, places = [], [], []
            for span in supports[row].spans:
                one = next(readings)
                value, where = _words(text, span, one.tokens, one.spans)
                odds.append(one.unsupported)
                words.append(value)
                places.append(where)
            found[row] = Verified(np.array(odds, dtype=np.float64), tuple(words), tuple(places))
        return found

    return batch.memo(("verified", tuple(rows)), make)


def _words(
    text: str, claim: Span, tokens: NDArray[np.float32], spans: NDArray[np.int32]
) -> tuple[NDArray[np.float64], tuple[Span, ...]]:
    """Tokens that touch and are letters or digits are one word."""
    values: list[float] = []
    places: list[Span] = []
    for value, (begin, end) in zip(tokens.tolist(), spans.tolist(), strict=True):
        start, stop = claim.start + begin, claim.start + end
        if places and places[-1].end == start and text[start - 1 : start + 1].isalnum():
            places[-1] = Span(places[-1].start, stop)
            values[-1] = max(values[-1], value)
        else:
            places.append(Span(start, stop))
            values.append(value)
    return np.array(values, dtype=np.float64), tuple(places)
