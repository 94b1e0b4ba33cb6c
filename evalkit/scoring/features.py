"""What the shipped models see: the support of a sentence, and of a whole response, as named
numbers: of words and embeddings alone, or with what the verifier made of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.scoring.support import Support
from evalkit.scoring.verification import Verified

__all__ = [
    "RESPONSE_INPUTS",
    "SENTENCE_INPUTS",
    "VERIFIED_RESPONSE_INPUTS",
    "VERIFIED_SENTENCE_INPUTS",
    "response_inputs",
    "sentence_inputs",
]

#: Inputs of the model `support_embeddings` (one claim sentence). All are higher where there is less
#: support.
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

#: Inputs of the model `support`: `verifier` the log-odds of the sentence, `_words_max` of its worst
#: word, `_words_log` log(1 + the expected number of unsupported words).
VERIFIED_SENTENCE_INPUTS = (
    *SENTENCE_INPUTS,
    "verifier",
    "verifier_words_max",
    "verifier_words_log",
)

#: Inputs of the model `hallucination_embeddings` (one response): `_mean` over sentences by their content
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

#: Inputs of the model `hallucination`, likewise.
VERIFIED_RESPONSE_INPUTS = (
    *RESPONSE_INPUTS,
    "verifier_mean",
    "verifier_max",
    "verifier_words_max",
    "verifier_words_log",
)


def sentence_inputs(support: Support, verified: Verified | None = None) -> NDArray[np.float64]:
    """Inputs of the model `support_embeddings`, float64 [claim sentences, len(SENTENCE_INPUTS)];
    with readings those of `support`, float64 [claim sentences, len(VERIFIED_SENTENCE_INPUTS)]."""
    columns = [
        np.log1p(support.column("foreign_count")) if name == "foreign_log" else support.column(name)
        for name in SENTENCE_INPUTS
    ]
    if verified is not None:
        columns.append(verified.unsupported)
        columns.append(np.array([_worst_word(words) for words in verified.words]))
        columns.append(np.array([np.log1p(_expected(words)) for words in verified.words]))
    return np.stack(columns, axis=1)


def response_inputs(support: Support, verified: Verified | None = None) -> NDArray[np.float64]:
    """Inputs of the model `hallucination_embeddings`, float64 [len(RESPONSE_INPUTS)]; with readings
    those of `hallucination`, float64 [len(VERIFIED_RESPONSE_INPUTS)].

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

    found = np.array(
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
    if verified is None:
        return found
    return np.append(
        found,
        [
            (weight * _probability(verified.unsupported)).sum(),
            verified.unsupported.max(),
            max(_worst_word(words) for words in verified.words),
            np.log1p(sum(_expected(words) for words in verified.words)),
        ],
    )


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
    return found


def _worst_word(words: NDArray[np.float64]) -> float:
    return float(words.max()) if len(words) else 0.0


def _expected(words: NDArray[np.float64]) -> float:
    return float(_probability(words).sum())
