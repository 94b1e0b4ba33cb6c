"""False discovery control over the many tests of one night; the single tests live elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _step_up(p_values: ArrayLike, penalty: float) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1:
        raise ValueError("p_values must be one-dimensional")
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise ValueError("p_values must lie between 0 and 1; leave tests without a p-value out")
    if p.size == 0:
        return p
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (p.size * penalty) / np.arange(1, p.size + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1.0)
    return result


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of Benjamini and Hochberg; reject where <= the tolerated share of false
    alarms.

    Args:
        p_values: [m] p-values, independent or positively dependent (metrics of one night are).
    Returns:
        [m] adjusted p-values, in the order given.
    Raises:
        ValueError: when a p-value is not within [0, 1].

    Formula: min over j >= i of m p(j) / j; Benjamini and Hochberg (1995), JRSS B 57:289.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values of Benjamini and Yekutieli, valid under any dependence.

    Args:
        p_values: [m] p-values.
    Returns:
        [m] adjusted p-values, in the order given.
    Raises:
        ValueError: when a p-value is not within [0, 1].

    Formula: Benjamini-Hochberg times 1 + 1/2 + ... + 1/m; Annals of Statistics (2001) 29:1165.
    """
    m = np.asarray(p_values).size
    return _step_up(p_values, float(np.sum(1.0 / np.arange(1, m + 1))))
