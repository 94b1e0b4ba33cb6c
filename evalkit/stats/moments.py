"""The mergeable summary (n, mean, variance) of a sample; distributions live in `histograms`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Moments:
    """Number, mean and sum of squared deviations of a sample; `a + b` is the summary of both
    together.

    `squares` (the sum of squared deviations from the mean) is kept instead of the variance,
    since it merges without loss when one side has a single row.

    >>> whole = Moments.of([1.0, 2.0]) + Moments.of([6.0])
    >>> whole.n, whole.mean, whole.variance
    (3, 3.0, 7.0)
    """

    n: int = 0
    centre: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean; None for no rows."""
        return self.centre if self.n else None

    @property
    def variance(self) -> float | None:
        """The sample variance (divisor n - 1); None for fewer than two rows."""
        return self.squares / (self.n - 1) if self.n >= 2 else None

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """Summarise values; NaN counts as missing.

        Args:
            values: [n] numbers.
        Returns:
            The summary of those that are not NaN. Two passes, so large offsets do no harm.
        """
        sample = np.asarray(values, dtype=np.float64).ravel()
        sample = sample[~np.isnan(sample)]
        if not sample.size:
            return cls()
        mean = float(np.mean(sample))
        deviations = sample - mean
        # The second term takes out what rounding left in the mean (corrected two-pass algorithm).
        squares = float(np.sum(deviations**2) - np.sum(deviations) ** 2 / sample.size)
        return cls(int(sample.size), mean, max(0.0, squares))

    @classmethod
    def from_parts(cls, n: int, mean: float | None, variance: float | None) -> Moments:
        """Rebuild a summary from a stored row (n, mean, variance), where unknown parts are None."""
        if n < 0:
            raise ValueError(f"n must not be negative, not {n}")
        if n == 0 or mean is None:
            return cls()
        return cls(n, mean, 0.0 if variance is None else variance * (n - 1))

    def __add__(self, other: Moments) -> Moments:
        """Merge two summaries; Chan, Golub and LeVeque (1983), The American Statistician 37:242."""
        if not other.n:
            return self
        if not self.n:
            return other
        n = self.n + other.n
        step = other.centre - self.centre
        mean = self.centre + step * (other.n / n)
        squares = self.squares + other.squares + step * step * (self.n * (other.n / n))
        return Moments(n, mean, squares)


def merge(parts: Iterable[Moments]) -> Moments:
    """Merge summaries in a fixed order of rounding.

    Args:
        parts: summaries, in any order.
    Returns:
        The summary of all rows. The result is the same bytes in any order of the parts:
        they are sorted first, and the sums are exact (`math.fsum`).
    """
    kept = sorted((part for part in parts if part.n), key=lambda p: (p.centre, p.n, p.squares))
    if not kept:
        return Moments()
    n = sum(part.n for part in kept)
    origin = kept[0].centre
    mean = origin + math.fsum(part.n * (part.centre - origin) for part in kept) / n
    squares = math.fsum(part.squares + part.n * (part.centre - mean) ** 2 for part in kept)
    return Moments(n, mean, squares)
