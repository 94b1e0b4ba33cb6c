"""Bootstrap intervals of any figure that can be told from row weights; the figures themselves live
elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Statistic", "intervals"]

#: A figure of rows that are counted so often each, float64 [n]; None where it means nothing.
Statistic = Callable[[NDArray[np.float64]], float | None]


def intervals(
    figures: Callable[[NDArray[np.float64]], Mapping[str, float | None]],
    clusters: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float | None, float | None]]:
    """Percentile intervals of some figures over the same resamples of whole clusters.

    Args:
        figures: from row weights (float64 [n]) to figures by name.
        clusters: [n] key of each row: rows of one cluster (one source document) are drawn together.
        level: two-sided confidence.
        draws: number of resamples.
        seed: of the random draws.
    Returns:
        (lower, upper) by name; (None, None) where the figure meant nothing in half of the resamples
        or more. Empty without a row.
    Raises:
        ValueError: when clusters are not one row of keys.

    Method: Efron and Tibshirani (1993), chapter 13; by cluster: Field and Welsh (2007), JRSS B
    69:369.

    >>> intervals(lambda weight: {"rows": float(weight.sum())}, ["a", "a", "b", "b"], draws=20)
    {'rows': (4.0, 4.0)}
    """
    keys = np.asarray(clusters)
    if keys.ndim != 1:
        raise ValueError(f"clusters {keys.shape} must be one key a row")
    if not keys.size:
        return {}
    found: dict[str, list[float]] = {}
    member = np.unique(keys, return_inverse=True)[1]
    n_clusters = int(member.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        picks = np.bincount(rng.integers(0, n_clusters, n_clusters), minlength=n_clusters)
        for name, value in figures(picks[member].astype(np.float64)).items():
            kept = found.setdefault(name, [])
            if value is not None:
                kept.append(value)
    return {name: _percentiles(values, draws, level) for name, values in found.items()}


def _percentiles(
    values: list[float], draws: int, level: float
) -> tuple[float | None, float | None]:
    if 2 * len(values) <= draws:
        return None, None
    tail = (1 - level) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return float(lower), float(upper)
