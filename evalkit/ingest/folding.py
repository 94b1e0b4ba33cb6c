"""Folds the spans of one trace into rows: which call is the answer, what was asked, which chunks
were at hand, what it all cost. The rules are declared in the docstring of `fold`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from evalkit.ingest.contract import Row
from evalkit.ingest.dialects.messages import CALLING
from evalkit.ingest.explaining import Pick, picks_of_turn
from evalkit.ingest.fields import attributes_of
from evalkit.ingest.parts import feedback_of
from evalkit.ingest.prompts import Conversation, conversation_of, fingerprint
from evalkit.ingest.spans import Answer, Meaning, Reader, Span, Tree, Usage, filled
from evalkit.ingest.surroundings import contexts_of_turn, error_of, stages_of_turn
from evalkit.ingest.turns import Turn, dropped, leaf_calls, turns_of

__all__ = ["Folded", "fold"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST_QUESTION = 3
#: What holds for a call when it is said of a span around it.
_INHERITED = ("user_id", "app", "environment", "route", "prompt_name", "prompt_version")
#: A call below these is a step towards something else than the answer.
_BESIDE = frozenset({"tool", "guardrail", "retrieval", "rerank"})


@dataclass(frozen=True)
class Folded:
    """The rows of a trace, and what became of its spans; the counts add up to the spans read.

    `calls` are leaf model calls (each is in exactly one row), `evaluators` are dropped with what is
    below them, `repeated` were read before, `others` surround calls or have nothing to do with any.
    `picks` says for each row, by its source_id, what it was made of.
    """

    rows: list[Row]
    calls: int = 0
    evaluators: int = 0
    repeated: int = 0
    others: int = 0
    picks: Mapping[str, tuple[Pick, ...]] = field(default_factory=dict)


def fold(spans: Iterable[Span], read: Reader, question_pattern: str) -> Folded:
    """Fold one trace.

    A row is a turn (`turns.turns_of` says where one ends). In each:

    1. The answer is the call whose text stands in what the span around the turn gave back; else the
       last one to end that gave text, asked for no tool and is not below a tool, guardrail or
       retrieval; else the last one to end. Its times, model and status are the row's.
    2. The question is the last user message that the answer was given to, behind the question
       pattern; where the pattern is not in it, the part of it that is the input of the span around
       the turn, or the query of a retrieval. Without messages these stand for it themselves.
    3. The contexts are the documents of the last reranking before the answer ended, else those of
       all retrievals before, in their order, each once; without any, what a tool gave back where
       that looks like documents. A text that a retrieval left out is taken by id from another step.
    4. Tokens are summed over the leaf calls of the answer's model. Other models have other prices:
       the calls of each are a row of their own, with tokens and nothing to score.
    5. An answering call that was read several times gives its rows as often: they are duplicates.

    Returns:
        Rows, ordered by the beginnings of their turns.
    """
    tree = Tree(spans)
    meanings = {id_: read(span) for id_, span in tree.spans.items()}
    out = dropped(tree, meanings)
    calls = _in_sessions(tree, meanings, leaf_calls(tree, meanings, out))
    turns = turns_of(tree, calls, out)
    inherited, beside = _inherited(tree, meanings), _beside(tree, meanings)
    evaluators = tuple(id_ for id_ in tree.spans if id_ in out)
    trace = _Trace(tree, meanings, calls, inherited, beside, evaluators)
    rows: list[Row] = []
    picks: dict[str, tuple[Pick, ...]] = {}
    for turn in turns:
        made, why = _rows(trace, turn, question_pattern)
        rows += made
        picks |= {row["source_id"]: why for row in made}
    return Folded(
        rows,
        calls=len(calls),
        evaluators=len(out),
        repeated=sum(tree.readings.values()) - len(tree),
        others=len(tree) - len(calls) - len(out),
        picks=picks,
    )


def _in_sessions(
    tree: Tree, meanings: Mapping[str, Meaning], calls: dict[str, Meaning]
) -> dict[str, Meaning]:
    """The calls with the conversation that their nearest ancestor tells, else the trace's only
    one."""
    near: dict[str | None, str | None] = {None: None}
    for id_ in tree.down():
        near[id_] = meanings[id_].session_id or near[tree.parent(id_)]
    known = {session for session in near.values() if session is not None}
    only = known.pop() if len(known) == 1 else None
    return {
        id_: replace(meaning, session_id=meaning.session_id or near[id_] or only)
        for id_, meaning in calls.items()
    }


@dataclass(frozen=True)
class _Trace:
    """A trace with what was found out once for all of its turns."""

    tree: Tree
    meanings: Mapping[str, Meaning]
    calls: Mapping[str, Meaning]
    inherited: Mapping[str | None, Meaning]
    beside: Mapping[str | None, str | None]
    evaluators: tuple[str, ...]


def _rows(trace: _Trace, turn: Turn, pattern: str) -> tuple[list[Row], tuple[Pick, ...]]:
    tree, meanings, calls = trace.tree, trace.meanings, trace.calls
    answer_id, why_answer = _answer(trace, turn)
    answer = tree.spans[answer_id]
    around = meanings[turn.root] if turn.root is not None else Meaning()
    meaning = _surrounded(trace, answer_id, turn)
    contexts, from_contexts = contexts_of_turn(tree, meanings, calls[answer_id], answer, turn)
    talk, asked_in, why_question = _question(meaning, around, meanings, turn, answer_id, pattern)
    stages, stage_ids = stages_of_turn(tree, meanings, calls, turn)
    pairs = None if contexts is None else [(one.get("id"), one.get("text")) for one in contexts]
    model = meaning.model
    same = [id_ for id_ in turn.calls if calls[id_].model in (model, None)]
    shared: Row = _identity(answer, meaning)
    row: Row = shared | {
        "prompt_fingerprint": fingerprint(talk, pairs),
        "system_prompt": talk.system,
        "history": talk.history if meaning.messages is not None else None,
        "query": talk.query,
        "contexts": contexts,
        "response_format": meaning.response_format,
        "stages": stages,
        "feedback": feedback_of(meaning.feedback) if meaning.feedback else None,
        "truncated": meaning.truncated,
    }
    why = {}
    if turn.others or len(turn.calls) > 1:
        why = {
            "fold.answer": why_answer,
            "fold.question": why_question,
            "fold.contexts": ", ".join(from_contexts.where[:8]) or from_contexts.why,
        }
    attributes = _attributes(answer, meaning) | why
    given = meaning.answers or (Answer(around.output_text if turn.root else None),)
    rows = []
    for index, one in enumerate(given):
        own = row | _ending(answer, meaning, one) | {"attributes": dict(attributes)}
        if index == 0:  # the calls of a turn are paid once, however many choices were asked for
            own |= _paid([calls[id_] for id_ in same], own["attributes"])
        if own.get("query") is None and own.get("response") is None:
            own["attributes"]["content"] = "none"
        own["source_id"] = _source_id(answer) + (f"#{index}" if len(given) > 1 else "")
        rows.append(own)
    rows += _of_other_models(tree, calls, [id_ for id_ in turn.calls if id_ not in same], shared)
    found = [
        Pick("question", asked_in, why_question),
        from_contexts,
        Pick("answer", (answer_id,), why_answer),
    ]
    picks = picks_of_turn(meanings, calls, turn, found, same, stage_ids, trace.evaluators)
    told = [
        {name: value for name, value in one.items() if value is not None}
        for one in rows
        for _ in range(tree.readings[answer_id])
    ]
    return told, picks


def _answer(trace: _Trace, turn: Turn) -> tuple[str, str]:
    spans, calls = trace.tree.spans, trace.calls
    by_end = sorted(turn.calls, key=lambda id_: (spans[id_].end_ns or spans[id_].start_ns, id_))
    if len(by_end) == 1:
        return by_end[0], "the only call"
    given = None
    if turn.root is not None:
        given = trace.meanings[turn.root].output_text or trace.meanings[turn.root].text
    if given:
        for id_ in reversed(by_end):
            text = calls[id_].text
            if text and text.strip() in given:
                return id_, f"its text stands in what {turn.root} gave back"
    beside = {id_ for id_ in by_end if _is_beside(trace, id_, turn.root)}
    for id_ in reversed(by_end):
        said = calls[id_].text and not _asks_for_tool(calls[id_])
        if said and id_ not in beside and spans[id_].status != "error":
            return id_, f"the last of {len(by_end)} calls to end with a text"
    rest = [id_ for id_ in by_end if id_ not in beside] or by_end
    return rest[-1], f"the last of {len(by_end)} calls to end"


def _is_beside(trace: _Trace, id_: str, root: str | None) -> bool:
    """Whether a call is below a tool, guardrail or retrieval that is itself below the root."""
    above = trace.beside[trace.tree.parent(id_)]
    return above is not None and (root is None or trace.tree.depth(above) > trace.tree.depth(root))


def _beside(tree: Tree, meanings: Mapping[str, Meaning]) -> dict[str | None, str | None]:
    near: dict[str | None, str | None] = {None: None}
    for id_ in tree.down():
        near[id_] = id_ if meanings[id_].kind in _BESIDE else near[tree.parent(id_)]
    return near


def _asks_for_tool(meaning: Meaning) -> bool:
    return meaning.finish_reason in CALLING or any(one.calls for one in meaning.answers or ())


def _inherited(tree: Tree, meanings: Mapping[str, Meaning]) -> dict[str | None, Meaning]:
    """What each span and those around it say about user, prompt and place, the nearest first; not
    their texts, tokens and costs, which are sums."""
    found: dict[str | None, Meaning] = {None: Meaning()}
    for id_ in tree.down():
        own, outer = meanings[id_], found[tree.parent(id_)]
        said = {name: getattr(own, name) or getattr(outer, name) for name in _INHERITED}
        same = all(said[name] == getattr(outer, name) for name in _INHERITED)
        found[id_] = outer if same else Meaning(**said)
    return found


def _surrounded(trace: _Trace, id_: str, turn: Turn) -> Meaning:
    """The answering call with what the spans around and beside it say."""
    meaning = filled(trace.calls[id_], trace.inherited[id_])
    feedback = [
        note for other in turn.others for note in trace.meanings[other].feedback or ()
        if other == turn.root or trace.meanings[other].kind in ("agent", "chain")
    ]  # fmt: skip
    if feedback:
        meaning = replace(meaning, feedback=[*(meaning.feedback or ()), *feedback])
    for other in turn.others:
        outer = trace.meanings[other]
        if meaning.user_id is None and outer.user_id is not None:
            meaning = replace(meaning, user_id=outer.user_id)
        if outer.kind == "prompt":
            named = Meaning(prompt_name=outer.prompt_name, prompt_version=outer.prompt_version)
            meaning = filled(meaning, named)
    return meaning


def _question(
    meaning: Meaning,
    around: Meaning,
    meanings: Mapping[str, Meaning],
    turn: Turn,
    answer: str,
    pattern: str,
) -> tuple[Conversation, tuple[str, ...], str]:
    """The conversation, the spans that the question was found in, and why there."""
    root = () if turn.root is None else (turn.root,)
    heard = (answer,) if meaning.messages else root
    talk = conversation_of(meaning.messages or around.messages or [], pattern)
    asked = [(around.input_text, root, "the input of the span around it")] + [
        (meanings[id_].query, (id_,), f"the query of {id_}") for id_ in turn.others
    ]
    if talk.query is None:
        for text, where, why in asked:
            if text:
                return replace(talk, query=text), where, why
        return talk, (), "none"
    if talk.lead is None:
        for text, where, why in asked:
            text = (text or "").strip()
            lead = _without(talk.query, text)
            if lead is not None:
                why = f"{why}, found in the last message"
                return replace(talk, query=text, lead=lead), (*heard, *where), why
        return talk, heard, "the last message of the user"
    return talk, heard, "the last message of the user, behind the question pattern"


def _without(message: str, question: str) -> str | None:
    """A message without a question that stands on lines of its own or behind a label; None where
    it does not: the words of a search are often a part of the question."""
    at = message.rfind(question) if len(question) >= _SHORTEST_QUESTION else -1
    if at < 0 or len(question) == len(message.strip()):
        return None
    before, after = message[:at], message[at + len(question) :]
    begins = not before.strip() or before.rstrip(" \t")[-1:] in ("\n", ":", ">")
    ends = not after.strip() or after.lstrip(" \t")[:1] in ("\n", "\r", "<")
    return before + after if begins and ends else None


def _paid(calls: Sequence[Meaning], attributes: dict[str, Any]) -> Row:
    """The tokens and the logged cost of some calls. Of calls that count their cache differently all
    are told inclusively."""
    told = [call.usage for call in calls if call.usage is not None and call.usage.known]
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    if len(calls) > 1 and len(told) < len(calls):
        attributes["calls_without_usage"] = str(len(calls) - len(told))
    if len(calls) > 1:
        attributes["calls"] = str(len(calls))
    found: Row = {}
    if costs and len(costs) == len(calls):
        found["cost_logged_usd"] = sum(costs)
    if not told:
        return found
    exclusive = all(usage.exclusive for usage in told)
    written = _sum(usage.written for usage in told)
    if written:
        attributes["tokens_cache_written"] = str(written)
    return found | {
        "tokens_input": _sum(
            usage.input if exclusive or not usage.exclusive else _whole(usage) for usage in told
        ),
        "tokens_cached": _sum(usage.cached for usage in told),
        "tokens_output": _sum(usage.output for usage in told),
        "tokens_reasoning": _sum(usage.reasoning for usage in told),
        "token_semantics": "exclusive" if exclusive else "inclusive",
    }


def _whole(usage: Usage) -> int | None:
    return (usage.input or 0) + (usage.cached or 0) + (usage.written or 0)


def _sum(values: Iterable[int | None]) -> int | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None


def _of_other_models(
    tree: Tree, calls: Mapping[str, Meaning], ids: list[str], shared: Row
) -> list[Row]:
    by_model: dict[str | None, list[str]] = {}
    for id_ in ids:
        by_model.setdefault(calls[id_].model, []).append(id_)
    rows = []
    for model, mine in by_model.items():
        first = tree.spans[mine[0]]
        meaning = calls[mine[0]]
        attributes = {"content": "none", "turn": shared["source_id"]}
        rows.append(
            shared
            | {
                "source_id": _source_id(first),
                "started_at": _moment(first.start_ns),
                "model": model,
                "requested_model": meaning.requested_model,
                "provider": meaning.provider,
                "prompt_name": meaning.prompt_name,
                "prompt_version": meaning.prompt_version,
                "latency_ms": first.duration_ms,
                "status": first.status or "ok",
                "error_type": error_of(first, meaning) if first.status == "error" else None,
                **_paid([calls[id_] for id_ in mine], attributes),
                "attributes": attributes,
            }
        )
    return rows


def _identity(span: Span, meaning: Meaning) -> Row:
    return {
        "source_id": _source_id(span),
        "trace_id": span.trace or None,
        "session_id": meaning.session_id,
        "user_id": meaning.user_id,
        "started_at": _moment(span.start_ns),
        "app": meaning.app,
        "route": meaning.route,
        "environment": meaning.environment,
        "provider": meaning.provider,
        "model": meaning.model,
        "requested_model": meaning.requested_model,
        "prompt_name": meaning.prompt_name,
        "prompt_version": meaning.prompt_version,
        "latency_ms": span.duration_ms,
        "ttft_ms": meaning.ttft_ms,
    }


def _source_id(span: Span) -> str:
    """A span's id is unique by itself only where it is random; shorter ones are told apart by
    trace."""
    return span.id if len(span.id) >= 16 or not span.trace else f"{span.trace}/{span.id}"


def _ending(span: Span, meaning: Meaning, answer: Answer) -> Row:
    failed = span.status == "error"
    return {
        "status": "error" if failed else "ok",
        "error_type": error_of(span, meaning) if failed else None,
        "response": answer.text if answer.text and not answer.text.isspace() else None,
        "finish_reason": answer.finish_reason or meaning.finish_reason,
    }


def _attributes(span: Span, meaning: Meaning) -> dict[str, str]:
    found = attributes_of(meaning.rest)
    if meaning.response_id is not None:
        found["response_id"] = meaning.response_id
    if span.name:
        found["span"] = span.name[:200]
    return found


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)
