"""One cause, one finding: which shifts of a night belong together, and which of them stands for
all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalkit.detection.series import Key
from evalkit.metrics import Metric

__all__ = ["Candidate", "Group", "family", "fold", "goodness", "overlap"]

#: Metrics that move together when one thing breaks. The first that moved gives the finding its
#: name.
FAMILIES: dict[str, tuple[str, ...]] = {
    "groundedness": ("hallucination", "groundedness", "context_utilization"),
    "retrieval": (
        "context_relevance",
        "context_precision",
        "context_sufficiency",
        "context_age_days",
        "fault_retriever_miss",
        "fault_not_in_corpus",
        "fault_ranked_out",
        "fault_ignored_by_generator",
    ),
    "no answer": ("failed", "abstention", "abandoned"),
    "money": ("tokens_input", "tokens_output", "cost_usd"),
    "time": ("latency_ms", "ttft_ms"),
}
#: A segment explains the whole day's change when the rest of the day moved by less than this share
#: of it.
_REST_AT_MOST = 1 / 3
#: Columns by how well people know their values.
_KNOWN_BEST = ("all", "route", "app", "provider", "model", "prompt_version")


@dataclass(frozen=True)
class Candidate:
    """A shift that is worth a finding by itself.

    Attributes:
        key: metric, segment, value of the segment.
        strength: size of the effect in standard deviations of rows.
        goodness: -1 for the worse, 1 for the better, 0 where neither is.
        rows: scored rows a night.
        effect: on the metric's scale, with its sign.
        open: whether earlier nights have reported it already.
        companion: too weak to be a finding by itself: told beside another one, or not at all.
    """

    key: Key
    strength: float
    goodness: int
    rows: float
    effect: float
    open: bool = False
    companion: bool = False


@dataclass(frozen=True)
class Group:
    """Shifts that are one finding: the one that stands for them, and the others."""

    lead: Candidate
    others: list[Candidate] = field(default_factory=list)


def family(metric: Metric) -> str:
    """The name of the metrics that move together with this one; its own name when there are none.

    >>> family(Metric("ttft_ms", "ms", "higher", ""))
    'time'
    """
    for name, members in FAMILIES.items():
        if metric.name in members:
            return name
    return "time" if metric.unit == "ms" else metric.name


def goodness(metric: Metric, effect: float) -> int:
    """-1 when the effect is for the worse, 1 when for the better, 0 when the metric has no such
    direction."""
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
        order: reported by earlier nights; of the metric that comes first in the family; a segment
        without which the whole day would hardly have moved, then the whole day, then other
        segments; the largest effect in deviations of rows (ties to a tenth: the column that people know
        best, fewer rows, then name). What
        overlaps with it and moved in the same direction is folded in; another value of the same
        column is a finding of its own.
    """
    families: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        families.setdefault(family(metrics[candidate.key[0]]), []).append(candidate)
    groups: list[Group] = []
    for name, members in families.items():
        order = FAMILIES.get(name, ())
        explaining = _explaining(members)
        made: list[Group] = []
        for candidate in sorted(members, key=lambda c: _rank(c, order, explaining)):
            for group in made:
                if overlap(group.lead.key, candidate.key) and (
                    group.lead.goodness * candidate.goodness >= 0
                ):
                    group.others.append(candidate)
                    break
            else:
                if not candidate.companion:
                    made.append(Group(candidate))
        groups.extend(made)
    return sorted(groups, key=lambda g: g.lead.key)


def _explaining(members: Sequence[Candidate]) -> set[Key]:
    """The segments without which the whole day of their metric would hardly have moved."""
    whole = {c.key[0]: c for c in members if c.key[1] == "all"}
    found: set[Key] = set()
    for c in members:
        day = whole.get(c.key[0])
        if c.key[1] == "all":
            continue
        if day is None or day.rows <= c.rows:
            found.add(c.key)
            continue
        rest = (day.rows * day.effect - c.rows * c.effect) / (day.rows - c.rows)
        if rest / c.effect < _REST_AT_MOST:
            found.add(c.key)
    return found


def _rank(
    candidate: Candidate, order: tuple[str, ...], explaining: set[Key]
) -> tuple[bool, bool, int, int, float, int, float, Key]:
    metric, segment, _ = candidate.key
    place = order.index(metric) if metric in order else len(order)
    kind = 0 if candidate.key in explaining else 1 if segment == "all" else 2
    return (
        candidate.companion,
        not candidate.open,
        place,
        kind,
        # Columns often say the same rows in other words (a route and its only prompt): to the tenth of a deviation
        # they are one strength, and the name that people know best stands for them.
        -round(candidate.strength, 1),
        _KNOWN_BEST.index(segment) if segment in _KNOWN_BEST else len(_KNOWN_BEST),
        candidate.rows,
        candidate.key,
    )
