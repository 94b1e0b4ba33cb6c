"""One cause, one finding: which shifts of a night belong together, and which of them stands for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalkit.detection.series import Key
from evalkit.metrics import Metric

__all__ = ["Candidate", "Group", "family", "fold", "goodness", "overlap"]

#: Metrics that move together when one thing breaks. The first that moved gives the finding its name.
FAMILIES: dict[str, tuple[str, ...]] = {
    "groundedness": (
        "hallucination",
        "groundedness",
        "groundedness_verified",
        "support",
        "faithfulness",
    ),
    "money": ("tokens_input", "tokens_output", "cost_usd"),
    "time": ("latency_ms", "ttft_ms"),
    "retrieval": ("context_relevance", "retrieval_accuracy", "hit_at_k", "mrr", "ndcg"),
    "users": ("user_correction", "correction", "satisfaction", "feedback"),
}
#: The whole day stands for a change unless some segment moved at least this much more than the day did.
_SEGMENT_STANDS_OUT = 1.25


@dataclass(frozen=True)
class Candidate:
    """A shift that is worth a finding by itself.

    Attributes:
        key: metric, segment, value of the segment.
        strength: size of the effect in standard deviations of rows.
        goodness: -1 for the worse, 1 for the better, 0 where neither is.
        n: rows that it rests on.
        open: whether earlier nights have reported it already.
    """

    key: Key
    strength: float
    goodness: int
    n: int
    open: bool = False


@dataclass(frozen=True)
class Group:
    """Shifts that are one finding: the one that stands for them, and the others."""

    lead: Candidate
    others: list[Candidate] = field(default_factory=list)


def family(metric: Metric) -> str:
    """The name of the metrics that move together with this one; its own name when there are none.

    >>> family(Metric("ttft_ms", "ms", "higher", "")), family(Metric("failed", "share", "higher", ""))
    ('time', 'failed')
    """
    for name, members in FAMILIES.items():
        if metric.name in members:
            return name
    return "time" if metric.unit == "ms" else metric.name


def goodness(metric: Metric, effect: float) -> int:
    """-1 when the effect is for the worse, 1 when for the better, 0 when the metric has no such direction."""
    if metric.worse == "either" or effect == 0:
        return 0
    return -1 if (effect > 0) == (metric.worse == "higher") else 1


def overlap(one: Key, other: Key) -> bool:
    """Whether two segments may hold the same rows: all but two values of one column do."""
    return one[1] != other[1] or one[2] == other[2]


def fold(candidates: Iterable[Candidate], metrics: dict[str, Metric]) -> list[Group]:
    """Fold the candidates of one night into findings.

    Args:
        candidates: in any order.
        metrics: to know their families.
    Returns:
        Groups, ordered by key of their lead. Of a family, a candidate stands for the others in this
        order: reported by earlier nights; of the metric that comes first in the family; the whole day,
        or the segment with the largest effect where one stands out (ties: fewer rows, then name). What
        overlaps with it and moved in the same direction is folded in; another value of the same column
        is a finding of its own.
    """
    families: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        families.setdefault(family(metrics[candidate.key[0]]), []).append(candidate)
    groups: list[Group] = []
    for name, members in families.items():
        order = FAMILIES.get(name, ())
        stands_out = _standing_out(members)
        made: list[Group] = []
        for candidate in sorted(members, key=lambda c: _rank(c, order, stands_out)):
            for group in made:
                if overlap(group.lead.key, candidate.key) and (
                    group.lead.goodness * candidate.goodness >= 0
                ):
                    group.others.append(candidate)
                    break
            else:
                made.append(Group(candidate))
        groups.extend(made)
    return sorted(groups, key=lambda g: g.lead.key)


def _standing_out(members: Sequence[Candidate]) -> set[str]:
    """The metrics of which some segment moved clearly more than the whole day."""
    whole = {c.key[0]: c.strength for c in members if c.key[1] == "all"}
    return {
        c.key[0]
        for c in members
        if c.key[1] != "all" and c.strength > _SEGMENT_STANDS_OUT * whole.get(c.key[0], 0.0)
    }


def _rank(
    candidate: Candidate, order: tuple[str, ...], stands_out: set[str]
) -> tuple[bool, int, bool, float, int, Key]:
    metric, segment, _ = candidate.key
    place = order.index(metric) if metric in order else len(order)
    whole_day_first = (segment == "all") == (metric in stands_out)
    return (
        not candidate.open,
        place,
        whole_day_first,
        -candidate.strength,
        candidate.n,
        candidate.key,
    )
