"""Where two people judged the same rows: how often they agree, beyond chance. The formula is in `stats/kappa`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pyarrow as pa

from evalkit.stats.kappa import Kappa, cohen_kappa

__all__ = ["Pair", "pairs"]


@dataclass(frozen=True)
class Pair:
    """Two people, and how well they agree on the rows that both decided."""

    metric: str
    first: str
    second: str
    found: Kappa


def pairs(labels: pa.Table, people: Collection[str] | None = None) -> list[Pair]:
    """The agreement of every two people who judged the same rows.

    Args:
        labels: rows of `labels` about one metric; verdicts that are NULL, or no yes or no, do not count.
        people: only pairs with one of them; without it all pairs.
    """
    verdicts: dict[str, dict[Any, float]] = defaultdict(dict)
    for row in labels.to_pylist():
        if row["by"] is not None and row["value"] in (0.0, 1.0):
            verdicts[row["by"]][row["day"], row["interaction_id"]] = row["value"]
    metrics = sorted(set(labels["metric"].to_pylist()))
    found = []
    for first, second in combinations(sorted(verdicts), 2):
        if people is not None and not {first, second} & set(people):
            continue
        shared = sorted(verdicts[first].keys() & verdicts[second].keys())
        if shared:
            kappa = cohen_kappa(
                [verdicts[first][key] for key in shared],
                [verdicts[second][key] for key in shared],
            )
            found.append(Pair(", ".join(metrics), first, second, kappa))
    return found
