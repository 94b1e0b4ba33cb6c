"""How near texts are in meaning: cosines of vectors. What that is worth is decided by the scorers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosines"]

# Below these a difference is one of rounding, not of meaning.
_DIGITS = 6


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines of unit vectors float32 [n, dim] and [m, dim], in [-1, 1], float64 [n, m].

    In double precision and rounded: the last bits of a matrix product may depend on its shape and
    on where its operands lie in memory, and a score must not.
    """
    product = a.astype(np.float64) @ b.astype(np.float64).T
    found: NDArray[np.float64] = np.clip(np.round(product, _DIGITS), -1.0, 1.0)
    return found
