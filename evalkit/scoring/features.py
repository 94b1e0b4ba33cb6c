"""What the shipped models see: the support of a sentence, and of a whole response, as named
numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.support import Support

__all__ = [
    "RESPONSE_INPUTS",
    "SENTENCE_INPUTS",
    "response_inputs",
    "sentence_inputs",
]

#: Inputs of the model `support` (one claim sentence). All are higher where there is less support.
SENTENCE_INPUTS = (
    "foreign_share",
    "foreign_log",
    "novel_bigrams",
    "uncovered",
    "distance",
    "numbers_new",
    "numbers_misplaced",
    "names_new",
    "names_misplaced",
    "negation_differs",
    "directions_differ",
)

#: Inputs of the model `hallucination` (one response): `_mean` over sentences by their content
#: words, `_max` the worst sentence, `_log` log(1 + the count in the whole response).
RESPONSE_INPUTS = (
    "foreign_share_mean",
    "foreign_share_max",
    "foreign_log",
    "novel_bigrams_mean",
    "uncovered_mean",
    "uncovered_max",
    "distance_mean",
    "distance_max",
    "numbers_new_log",
    "numbers_misplaced_log",
    "names_new_log",
    "names_misplaced_log",
    "negation_differs_max",
    "directions_differ_max",
)


def sentence_inputs(support: Support) -> NDArray[np.float64]:
    """Inputs of the model `support`, float64 [claim sentences, len(SENTENCE_INPUTS)]."""
    columns = [
        np.log1p(support.column("foreign_count")) if name == "foreign_log" else support.column(name)
        for name in SENTENCE_INPUTS
    ]
    return np.stack(columns, axis=1)


def response_inputs(support: Support) -> NDArray[np.float64]:
    """Inputs of the model `hallucination`, float64 [len(RESPONSE_INPUTS)].

    Raises:
        ValueError: the support has a status, so there is nothing to sum up.
    """
    if support.status is not None:
        raise ValueError(f"a row that is {support.status} has no inputs")
    weight = support.column("words") / support.column("words").sum()

    def total(name: str) -> float:
        return float(np.log1p(support.column(name).sum()))

    def mean(name: str) -> float:
        return float((weight * support.column(name)).sum())

    def worst(name: str) -> float:
        return float(support.column(name).max())

    return np.array(
        [
            mean("foreign_share"),
            worst("foreign_share"),
            total("foreign_count"),
            mean("novel_bigrams"),
            mean("uncovered"),
            worst("uncovered"),
            mean("distance"),
            worst("distance"),
            total("numbers_new"),
            total("numbers_misplaced"),
            total("names_new"),
            total("names_misplaced"),
            worst("negation_differs"),
            worst("directions_differ"),
        ]
    )
