"""What tonight's scores of the frozen rows say, beside those of another night: numbers in, numbers out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.metrics import Metric
from evalkit.stats.classification import auroc

__all__ = ["VERDICT", "Reading", "move", "read_off"]

#: The metrics that the rows' verdict is about, and whether the verdict is what they measure or its opposite.
VERDICT = {"hallucination": True, "groundedness": False}

Values = Sequence[float | None]


@dataclass(frozen=True)
class Reading:
    """One metric on the frozen rows.

    Attributes:
        values: [rows], None where a row has none.
        n_scored: rows that have a value.
        mean: of these.
        auroc: agreement with people; None for metrics that the verdict is not about.
        digest: hash of the values: equal digests are equal values.
    """

    values: Values
    n_scored: int
    mean: float
    auroc: float | None
    digest: str


def read_off(metric: Metric, values: Values, hallucinated: Sequence[bool]) -> Reading | None:
    """Sum up one metric; None when no row has a value of it.

    >>> found = read_off(Metric("hallucination", "probability", "higher", ""), [0.9, 0.2, None], [True, False, True])
    >>> found.n_scored, found.mean, found.auroc
    (2, 0.55, 1.0)
    """
    known = [
        (value, verdict)
        for value, verdict in zip(values, hallucinated, strict=True)
        if value is not None
    ]
    if not known:
        return None
    area = None
    if metric.name in VERDICT:
        same = VERDICT[metric.name]
        area = auroc([verdict is same for _, verdict in known], [value for value, _ in known])
    mean = sum(value for value, _ in known) / len(known)
    text = json.dumps(list(values)).encode()
    return Reading(values, len(known), round(mean, 9), area, hashlib.sha256(text).hexdigest()[:16])


def move(metric: Metric, before: Values | None, after: Values) -> float | None:
    """The largest change of a row's value: absolute, or relative to the larger one for money, time and tokens.

    Returns:
        0 when nothing changed; 1 when a row has a value on one night only, or the rows are others; None when there is
        nothing to compare with.

    >>> move(Metric("hallucination", "probability", "higher", ""), [0.5, None], [0.25, None])
    0.25
    """
    if before is None:
        return None
    if len(before) != len(after):
        return 1.0
    largest = 0.0
    for one, other in zip(before, after, strict=True):
        if one is None or other is None:
            step = 0.0 if one is other else 1.0
        elif metric.scale == "log":
            step = abs(one - other) / max(abs(one), abs(other), 1e-12)
        else:
            step = abs(one - other)
        largest = max(largest, step)
    return round(largest, 9)
