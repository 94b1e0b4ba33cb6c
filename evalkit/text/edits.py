"""How much of a text was changed by an edit; which words support what lives in `alignment`."""

from __future__ import annotations

import numpy as np

from evalkit.text.tokens import words

__all__ = ["MAX_WORDS", "edit_share"]

#: Words of either text up to which they are compared: time is their product.
MAX_WORDS = 3_000


def edit_share(before: str, after: str) -> float | None:
    """Word edits from one text to the other, over the words of the longer one, in [0, 1].

    Insertions, deletions and replacements of words count 1 each: Levenshtein (1966), Soviet Physics
    Doklady 10:707. Case, spacing and punctuation are no edits.

    Returns:
        None where a text has more than `MAX_WORDS` words.

    >>> edit_share("Refunds take five days.", "Refunds take ten days.")
    0.25
    """
    ids: dict[str, int] = {}
    a, b = (
        np.array([ids.setdefault(w, len(ids)) for w in words(t)], dtype=np.int64)
        for t in (before, after)
    )
    if max(len(a), len(b)) > MAX_WORDS:
        return None
    if not len(a) or not len(b):
        return 0.0 if len(a) == len(b) else 1.0
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for k, word in enumerate(a):
        best = np.empty_like(row)
        best[0] = k + 1
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (b != word))
        # An insertion adds 1 to its left neighbour: a running minimum once the steps are taken off.
        row = np.minimum.accumulate(best - steps) + steps
    return float(row[-1]) / max(len(a), len(b))
