"""Scores that anyone could give without a model: what a metric has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from evalkit.scoring.batch import Batch
from evalkit.text.tokens import content_words, words

__all__ = ["baselines", "guess", "lengths", "tfidf"]


def baselines(batch: Batch) -> dict[str, NDArray[np.float64]]:
    """For each baseline a score per row, float64 [n], higher where less of the response is
    supported.

    always: the same for every row. length: words of the response. overlap: share of the response's
    distinct content words that no context holds. cosine: 1 - cosine of the mean sentence vector of
    the response to that of all contexts. A row without response or contexts gets what the rule
    gives for an empty text (0 words, nothing new, no likeness).
    """
    responses = batch.strings("response")
    chunks = batch.chunks()
    mine = batch.embed("response", by="sentence")
    theirs = batch.embed("contexts", by="sentence")
    n = len(batch)
    overlap, cosine = np.zeros(n), np.ones(n)
    for i, response in enumerate(responses):
        said = set(content_words(response or ""))
        held = {word for chunk in chunks[i] for word in words(chunk.text)}
        overlap[i] = len(said - held) / len(said) if said else 0.0
        if len(mine.row(i)) and len(theirs.row(i)):
            a, b = mine.row(i).mean(axis=0), theirs.row(i).mean(axis=0)
            norm = float(np.linalg.norm(a) * np.linalg.norm(b))
            cosine[i] = 1 - float(a @ b) / norm if norm else 1.0
    return {
        "always": np.zeros(n),
        "length": lengths(responses),
        "overlap": overlap,
        "cosine": cosine,
    }


def lengths(responses: Sequence[str | None]) -> NDArray[np.float64]:
    """Words of each response, float64 [n]."""
    return np.array([len(words(response or "")) for response in responses], dtype=np.float64)


def tfidf(
    responses: Sequence[str | None], contexts: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """1 - cosine of each response to all its contexts as weighted word counts, float64 [n].

    Args:
        responses: [n] texts.
        contexts: [n] texts of each row.
    Returns:
        0 for the same words in the same shares, 1 for no common word or no text.

    Weights: word count x (1 + ln((1 + texts) / (1 + texts with the word))), scikit-learn's
    `TfidfVectorizer`. How rare a word is, is counted in the distinct texts of these very rows.

    >>> tfidf(["red fox", "blue"], [["a red fox", "red"], ["green"]]).round(2).tolist()
    [0.17, 1.0]
    """
    mine = [response or "" for response in responses]
    theirs = ["\n".join(texts) for texts in contexts]
    distinct = list(dict.fromkeys([*mine, *theirs]))
    if not any(words(text) for text in distinct):
        return np.ones(len(mine))
    place = {text: row for row, text in enumerate(distinct)}
    weights = TfidfVectorizer(analyzer=words).fit_transform(distinct)
    a = weights[[place[text] for text in mine]]
    b = weights[[place[text] for text in theirs]]
    likeness = np.asarray(a.multiply(b).sum(axis=1), dtype=np.float64).ravel()
    return np.clip(1 - likeness, 0.0, 1.0)


def guess(labels: NDArray[np.bool_], groups: Sequence[str]) -> NDArray[np.float64]:
    """The share of positives in each row's own group, float64 [n]: what can be said without reading
    a word. It sees the labels that it is held against; with few rows a group it flatters itself.

    >>> guess(np.array([True, False, True]), ["a", "a", "b"]).tolist()
    [0.5, 0.5, 1.0]
    """
    member = np.unique(np.asarray(groups), return_inverse=True)[1]
    rate = np.bincount(member, weights=labels) / np.maximum(np.bincount(member), 1)
    return np.asarray(rate[member], dtype=np.float64)
