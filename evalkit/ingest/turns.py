"""Which spans of a trace make one turn: a question and all that was done to answer it. What the
turn's row says is decided in `folding.py`."""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

from evalkit.ingest.spans import Answer, Meaning, Tree, filled

__all__ = ["MAX_CALLS", "Turn", "dropped", "leaf_calls", "turns_of"]

#: A subtree with more model calls is no turn but a batch, and is divided at its children.
MAX_CALLS = 64
_MIXED = -1


@dataclass(frozen=True)
class Turn:
    """One turn: its model calls and its other spans, both in the order of their beginnings; `root`
    is the span around all calls, where there is one."""

    calls: tuple[str, ...]
    others: tuple[str, ...]
    root: str | None


def dropped(tree: Tree, meanings: Mapping[str, Meaning]) -> set[str]:
    """Evaluators and all that is below them: their calls are nobody's traffic."""
    found: set[str] = set()
    for id_ in tree.down():
        if meanings[id_].kind == "evaluator" or tree.parent(id_) in found:
            found.add(id_)
    return found


def leaf_calls(tree: Tree, meanings: Mapping[str, Meaning], out: set[str]) -> dict[str, Meaning]:
    """The model calls that have no model call below them, in the order of their beginnings.

    A call around exactly one other (two libraries saw the same request) fills what that one leaves
    open. Without any model call, the innermost agents and chains that tell both what they were asked
    and what they answered stand for one.
    """
    down = [id_ for id_ in tree.down() if id_ not in out]
    calls = _innermost(tree, [id_ for id_ in down if meanings[id_].kind == "llm"])
    if not calls:
        calls = _innermost(tree, [id_ for id_ in down if _tells(meanings[id_])])
        meanings = {**meanings, **{id_: _as_call(meanings[id_]) for id_ in calls}}
    below = _counts(tree, calls)
    found = {}
    for id_ in sorted(calls, key=lambda one: tree.spans[one].order):
        meaning = meanings[id_]
        for above in tree.above(id_):
            if meanings[above].kind != "llm" or below[above] != 1:
                break
            meaning = filled(meaning, meanings[above])
        found[id_] = meaning
    return found


def turns_of(tree: Tree, calls: Mapping[str, Meaning], out: set[str]) -> list[Turn]:
    """Divide the calls of a trace into turns, and give each other span to one of them.

    Calls belong together unless (1) they belong to different conversations, (2) they are more than
    64 below one span: then each of its children is looked at alone, or (3) the earlier one's answer
    stands in the later one's messages before its last question: then the user has spoken again.
    """
    if not calls:
        return []
    groups: dict[tuple[str | None, str | None], list[str]] = {}
    tops = _tops(tree, list(calls))
    for id_, meaning in calls.items():
        groups.setdefault((meaning.session_id, tops[id_]), []).append(id_)
    parts = [part for group in groups.values() for part in _spoken_again(group, calls)]
    parts.sort(key=lambda part: tree.spans[part[0]].order)
    turn_of = {id_: place for place, part in enumerate(parts) for id_ in part}
    below = _below(tree, turn_of)
    others: list[list[str]] = [[] for _ in parts]
    for id_, place in _homes(tree, turn_of, below, out).items():
        others[place].append(id_)
    return [
        Turn(tuple(part), tuple(others[place]), _around(tree, part, below))
        for place, part in enumerate(parts)
    ]


def _tells(meaning: Meaning) -> bool:
    asked = meaning.messages or meaning.input_text
    return meaning.kind in ("agent", "chain") and bool(
        (asked and (meaning.text or meaning.output_text)) or (meaning.usage and meaning.model)
    )


def _as_call(meaning: Meaning) -> Meaning:
    """What a step took and gave, as what a model was asked and answered."""
    asked, answered = meaning.input_text, meaning.output_text
    if meaning.messages is None and asked is not None:
        meaning = replace(meaning, messages=[{"role": "user", "content": asked}])
    if meaning.answers is None and answered is not None:
        meaning = replace(meaning, answers=(Answer(answered),))
    return meaning


def _innermost(tree: Tree, ids: list[str]) -> list[str]:
    """Those of some spans that have none of them below, each after its parent."""
    wanted = set(ids)
    outer: set[str] = set()
    nearest: dict[str | None, str | None] = {None: None}
    for id_ in tree.down():
        above = nearest[tree.parent(id_)]
        nearest[id_] = id_ if id_ in wanted else above
        if id_ in wanted and above is not None:
            outer.add(above)
    return [id_ for id_ in ids if id_ not in outer]


def _counts(tree: Tree, calls: list[str]) -> dict[str, int]:
    """How many calls each span holds, itself included."""
    marked = set(calls)
    counts: dict[str, int] = {}
    for id_ in reversed(tree.down()):
        below = sum(counts[child] for child in tree.children(id_))
        counts[id_] = below + (id_ in marked)
    return counts


def _tops(tree: Tree, calls: list[str]) -> dict[str, str | None]:
    """For each call the outermost span around it that holds few enough calls; None: the trace."""
    if len(calls) <= MAX_CALLS:
        return dict.fromkeys(calls)
    counts = _counts(tree, calls)
    top: dict[str, str | None] = {}
    for id_ in tree.down():
        parent = tree.parent(id_)
        inherited = top.get(parent) if parent is not None else None
        top[id_] = inherited or (id_ if counts[id_] <= MAX_CALLS else None)
    return {id_: top[id_] or id_ for id_ in calls}


def _spoken_again(group: list[str], calls: Mapping[str, Meaning]) -> list[list[str]]:
    later: set[str] = set()
    ends: list[bool] = []
    for id_ in reversed(group):
        text = calls[id_].text
        ends.append(text is not None and text.strip() in later)
        later |= _answered_before(calls[id_])
    parts: list[list[str]] = [[]]
    for id_, is_end in zip(group, reversed(ends), strict=True):
        parts[-1].append(id_)
        if is_end:
            parts.append([])
    return [part for part in parts if part]


def _answered_before(meaning: Meaning) -> set[str]:
    """What the model had said before the last message of the user."""
    messages = meaning.messages or []
    last = max((i for i, one in enumerate(messages) if one.get("role") == "user"), default=0)
    return {
        text.strip()
        for one in messages[:last]
        if one.get("role") in ("assistant", "model")
        and isinstance(text := one.get("content"), str)
        and text.strip()
    }


def _below(tree: Tree, turn_of: Mapping[str, int]) -> dict[str, int]:
    """The turn of all calls in each span that holds any; -1 where they are of several turns."""
    below: dict[str, int] = {}
    for id_ in reversed(tree.down()):
        places = {below[child] for child in tree.children(id_) if child in below}
        if id_ in turn_of:
            places.add(turn_of[id_])
        if places:
            below[id_] = places.pop() if len(places) == 1 else _MIXED
    return below


def _homes(
    tree: Tree, turn_of: Mapping[str, int], below: Mapping[str, int], out: set[str]
) -> dict[str, int]:
    """The turn of each span that is no call: that of all calls below its nearest ancestor which has
    any; where these are of several turns, that of the next call to begin."""
    ordered = sorted(turn_of, key=lambda one: tree.spans[one].order)
    starts = [tree.spans[one].start_ns for one in ordered]
    home: dict[str, int] = {}
    near: dict[str | None, int] = {None: 0 if len(set(turn_of.values())) == 1 else _MIXED}
    for id_ in tree.down():
        near[id_] = below[id_] if id_ in below else near[tree.parent(id_)]
        if id_ in turn_of or id_ in out:
            continue
        if near[id_] != _MIXED:
            home[id_] = near[id_]
        elif id_ not in below:  # a span around several turns belongs to none
            at = bisect_left(starts, tree.spans[id_].start_ns)
            if at < len(ordered):
                home[id_] = turn_of[ordered[at]]
    return dict(sorted(home.items(), key=lambda item: tree.spans[item[0]].order))


def _around(tree: Tree, part: list[str], below: Mapping[str, int]) -> str | None:
    """The outermost span around all calls of a turn that is around no call of another."""
    mine = functools.partial(_is_not_mixed, below)
    path = list(takewhile(mine, tree.above(part[0])))
    common = set(path)
    for id_ in part[1:]:
        common &= set(takewhile(mine, tree.above(id_)))
    found = [id_ for id_ in path if id_ in common]
    return found[-1] if found else None


def _is_not_mixed(below: Mapping[str, int], id_: str) -> bool:
    return below[id_] != _MIXED
