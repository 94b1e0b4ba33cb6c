"""What a row was made of, as data: for each part of it where it stood, and by which rule it was
picked. Nothing is decided here (`folding.py`), and nothing is read again (`origin.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evalkit.ingest.spans import Meaning
from evalkit.ingest.times import time_of
from evalkit.ingest.turns import Turn

__all__ = ["Pick", "picks_of_record", "picks_of_turn"]

_MAX_PLACES = 20
_MAX_FOUND = 3
_MAX_LEAVES = 20_000
#: Texts of so few characters stand in many places by chance.
_TELLING = 4
_EVALUATOR = "evaluators and what is below them: nobody's traffic"
#: What of a row is looked for in its record, and what it is called.
_PARTS = (
    ("query", "question"),
    ("contexts", "contexts"),
    ("response", "answer"),
    ("system_prompt", "system prompt"),
    ("stages", "stages"),
    ("tokens_input", "input tokens"),
    ("tokens_cached", "cached tokens"),
    ("tokens_output", "output tokens"),
    ("cost_logged_usd", "cost"),
    ("started_at", "time"),
)


@dataclass(frozen=True, slots=True)
class Pick:
    """One part of a row: the spans (their ids) or the paths in the record that it was taken from,
    and why these. No texts of the traffic."""

    what: str
    where: tuple[str, ...]
    why: str


def picks_of_turn(
    meanings: Mapping[str, Meaning],
    calls: Mapping[str, Meaning],
    turn: Turn,
    found: Sequence[Pick],
    paid: Sequence[str],
    stages: Sequence[str],
    evaluators: tuple[str, ...],
) -> tuple[Pick, ...]:
    """All that a turn's row was made of, and what was left out of it.

    Args:
        meanings, calls: what the spans of the trace say, and its leaf calls.
        turn: the turn.
        found: the question, the contexts and the answer.
        paid: the calls whose tokens and costs are the row's.
        stages: the spans that are its stages.
        evaluators: the spans of the whole trace that are nobody's traffic.
    """
    picks = [*found]
    picks.append(Pick("stages", tuple(stages), "the innermost steps of the turn"))
    told = [id_ for id_ in paid if (usage := calls[id_].usage) is not None and usage.known]
    summed = "summed over" if len(told) > 1 else "of"
    why = f"{summed} the leaf calls of the answer's model"
    if len(told) < len(paid):
        why += f"; {len(paid) - len(told)} of {len(paid)} calls do not tell theirs"
    picks.append(Pick("tokens", tuple(told), why if told else "no call tells them"))
    costs = [id_ for id_ in paid if calls[id_].cost_usd is not None]
    if not costs:
        why = "none is logged: the price list's is used"
    elif len(costs) < len(paid):
        why = f"left open: {len(paid) - len(costs)} of {len(paid)} calls log none"
    else:
        why = "as these calls log it"
    picks.append(Pick("cost", tuple(costs), why))
    left_out = [*_left_out(meanings, turn, found, paid), (_EVALUATOR, evaluators)]
    picks += [Pick("left out", tuple(dropped), why) for why, dropped in left_out if dropped]
    return tuple(picks)


def _left_out(
    meanings: Mapping[str, Meaning], turn: Turn, found: Sequence[Pick], paid: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    around = [meanings[id_] for id_ in turn.others]
    sums = [
        id_
        for id_, one in zip(turn.others, around, strict=True)
        if one.usage is not None or one.cost_usd is not None
    ]
    yield "tokens and costs of no leaf call: sums of the calls below, never added", sums
    others = [id_ for id_ in turn.calls if id_ not in paid]
    yield "calls of another model have another price: a row of their own", others
    used = {id_ for pick in found if pick.what == "contexts" for id_ in pick.where}
    unused = [
        id_
        for id_, one in zip(turn.others, around, strict=True)
        if id_ not in used and one.kind in ("retrieval", "rerank") and one.documents
    ]
    yield "documents before the last reranking, or after the answer", unused


def picks_of_record(record: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Pick, ...]:
    """Where the parts of a row stand in the one record that it was made of.

    >>> [pick.where for pick in picks_of_record({"q": {"text": "Why so?"}}, {"query": "Why so?"})]
    [('q.text',)]
    """
    leaves = list(_leaves(record))
    picks = []
    for column, what in _PARTS:
        value = row.get(column)
        if value is None:
            continue
        where, why = _standing(value, leaves)
        picks.append(Pick(what, where, why))
    return tuple(picks)


def _standing(value: Any, leaves: Sequence[tuple[str, Any]]) -> tuple[tuple[str, ...], str]:
    if isinstance(value, list):
        texts = [
            one.get("text") or one.get("id") or one.get("name") if isinstance(one, dict) else one
            for one in value
        ]
        places = [_standing(text, leaves)[0][:1] for text in texts if text is not None]
        flat = tuple(dict.fromkeys(place for one in places for place in one))[:_MAX_PLACES]
        if not value:
            return (), "said to be none"
        return flat, f"{len(value)} of them" if flat else "put together from several fields"
    same = [path for path, leaf in leaves if _same(leaf, value)]
    if same:
        return tuple(same[:_MAX_FOUND]), "as it stands there"
    if isinstance(value, str) and len(value) >= _TELLING:
        around = [path for path, leaf in leaves if isinstance(leaf, str) and value in leaf]
        if around:
            return tuple(around[:_MAX_FOUND]), "a part of what stands there"
    return (), "put together from several fields"


def _same(leaf: Any, value: Any) -> bool:
    if isinstance(value, datetime):
        return time_of(leaf) == value
    if isinstance(value, str):
        return isinstance(leaf, str) and leaf.strip() == value.strip()
    if isinstance(leaf, bool) or isinstance(value, bool):
        return False
    return bool(leaf == value)


def _leaves(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value that is neither object nor list, with its path; at most 20,000."""
    stack: list[tuple[str, Any]] = [("", record)]
    count = 0
    while stack and count < _MAX_LEAVES:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            below = [(f"{path}.{name}" if path else str(name), one) for name, one in value.items()]
            stack.extend(reversed(below))
        elif isinstance(value, list):
            stack.extend(reversed([(f"{path}[{at}]", one) for at, one in enumerate(value)]))
        else:
            count += 1
            yield path, value
