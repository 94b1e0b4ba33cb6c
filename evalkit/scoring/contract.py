"""What a scorer is: a pure function from a batch of interactions to a value and a status per row and metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.schema import STATUSES

if TYPE_CHECKING:
    from evalkit.scoring.batch import Batch

__all__ = ["Evidence", "Metric", "Scorer", "Scores", "Values", "scorer"]


@dataclass(frozen=True)
class Evidence:
    """A span of the response (characters, end exclusive) and what it shows.

    `note` is "unsupported", "supported", or of the whole response a sentence for people;
    `context_id` the chunk that supports it best, if any.
    """

    metric: str
    start: int
    end: int
    context_id: str | None
    note: str


class Values:
    """One metric of a whole batch, filled row by row: a row has a value and status `ok`, or only a status.

    >>> values = Values(2); values.set(0, 0.5); values.skip(1, "not_applicable")
    >>> values.values.tolist()[0], values.status.tolist()
    (0.5, ['ok', 'not_applicable'])
    """

    def __init__(self, n: int) -> None:
        self.values: NDArray[np.float64] = np.full(n, np.nan)
        self.status: NDArray[np.object_] = np.full(n, "error", dtype=object)

    def set(self, row: int, value: float) -> None:
        """Give a row its value. A value that is not a finite number becomes status `error`, never NaN."""
        if np.isfinite(value):
            self.values[row] = value
            self.status[row] = "ok"
        else:
            self.status[row] = "error"

    def skip(self, row: int, status: str) -> None:
        """Say why a row has no value: abstained, not_applicable, truncated, over_budget or error."""
        if status not in STATUSES or status == "ok":
            raise ValueError(f"{status!r} is no reason to have no value; use one of {STATUSES[1:]}")
        self.values[row] = np.nan
        self.status[row] = status


@dataclass(frozen=True)
class Scores:
    """What a scorer returns: `Values` for each metric it produces, and evidence per row (may be empty)."""

    columns: Mapping[str, Values]
    evidence: Mapping[int, list[Evidence]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorer:
    """A member of `scoring/scorers`: a definition (name, version, needs, metrics) and the function."""

    name: str
    version: str
    needs: tuple[str, ...]
    metrics: tuple[Metric, ...]
    score: Callable[[Batch], Scores]
    about: str
    module: str


def scorer(
    name: str, *, version: str, needs: tuple[str, ...], metrics: tuple[Metric, ...]
) -> Callable[[Callable[[Batch], Scores]], Scorer]:
    """Make a function a scorer; its docstring is its documentation.

    Args:
        name: the scorer's name.
        version: raise it whenever a value may change.
        needs: the columns of `interactions` that it reads (plus "embeddings", "prices", "models",
            "turns", "corpus"). Scores of a row may rest on these alone: a row for which nothing of
            it changed keeps its scores when its day is scored again.
        metrics: what it produces; the returned columns are exactly these.
    """

    def wrap(function: Callable[[Batch], Scores]) -> Scorer:
        about = (function.__doc__ or "").strip()
        return Scorer(name, version, needs, metrics, function, about, function.__module__)

    return wrap
