"""What surrounded the answer of a turn: the chunks that were at hand, and the stages of the
pipeline. Which call is the answer is decided in `folding.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.ingest.dialects.messages import documents_of, loaded
from evalkit.ingest.explaining import Pick
from evalkit.ingest.parts import contexts_of
from evalkit.ingest.spans import Meaning, Span, Tree
from evalkit.ingest.turns import Turn

__all__ = ["contexts_of_turn", "error_of", "stages_of_turn"]

_MAX_STAGES = 64
_MAX_CONTEXTS = 1000
#: A step of these kinds is a stage of the pipeline.
_STAGES = frozenset({"llm", "retrieval", "rerank", "embedding", "tool", "guardrail", "prompt"})


def contexts_of_turn(
    tree: Tree, meanings: Mapping[str, Meaning], call: Meaning, answer: Span, turn: Turn
) -> tuple[list[dict[str, Any]] | None, Pick]:
    """The chunks that the answer could rest on, and which spans gave them (rule 3 of
    `folding.fold`); None where nothing was logged, [] where nothing was found."""
    end = answer.end_ns if answer.end_ns is not None else answer.start_ns
    before = [id_ for id_ in turn.others if tree.spans[id_].start_ns <= end]
    found = [
        id_
        for id_ in before
        if meanings[id_].kind in ("retrieval", "rerank") and meanings[id_].documents is not None
    ]
    ranked = [id_ for id_ in found if meanings[id_].kind == "rerank"]
    used = ranked[-1:] or found
    if not used:
        used = [
            id_
            for id_ in before
            if meanings[id_].kind == "tool" and _are_documents(meanings[id_].documents or [])
        ]
    documents = [one for id_ in used for one in meanings[id_].documents or ()]
    where, why = tuple(used), "what tools gave back, which looks like documents"
    if used and used[0] in found:
        why = "the last reranking" if ranked else "the retrievals before the answer, each once"
    if not used:
        documents = call.documents or _from_tools(call)
        where, why = (), "what tools gave back" if documents else "none"
        if call.documents is None and not documents:
            return None, Pick("contexts", where, why)
    texts = _texts_by_id(documents + [d for id_ in found for d in meanings[id_].documents or ()])
    if any(chunk.get("text") is None for chunk in contexts_of(documents[:_MAX_CONTEXTS])):
        texts = _texts_by_id(_from_tools(call)) | texts
    chunks, seen = [], set()
    for chunk in contexts_of(documents[:_MAX_CONTEXTS]):
        if chunk["text"] is None:
            chunk["text"] = texts.get(chunk["id"])
        key = (chunk["id"], chunk["text"])
        if key not in seen:
            seen.add(key)
            chunks.append(chunk)
    if len(used) > 1:  # the ranks of several searches in a row say nothing together
        for rank, chunk in enumerate(chunks, start=1):
            chunk["rank"] = rank
    return chunks, Pick("contexts", where, why)


def _from_tools(call: Meaning) -> list[dict[str, Any]]:
    """Documents in the answers of tools after the user's last message. Other answers of tools are
    no chunks."""
    messages = call.messages or []
    last = max((i for i, one in enumerate(messages) if one.get("role") == "user"), default=-1)
    found: list[dict[str, Any]] = []
    for message in messages[last + 1 :]:
        if message.get("role") == "tool":
            documents = documents_of(loaded(message.get("content"))[0]) or []
            if _are_documents(documents):
                found += documents
    return found


def _are_documents(values: list[dict[str, Any]]) -> bool:
    names = ("text", "content", "page_content")
    return bool(values) and all(
        any(isinstance(value.get(name), str) for name in names) for value in values
    )


def _texts_by_id(documents: list[dict[str, Any]]) -> dict[str, str]:
    chunks = contexts_of(documents[: 4 * _MAX_CONTEXTS])
    return {one["id"]: one["text"] for one in reversed(chunks) if one["id"] and one["text"]}


def stages_of_turn(
    tree: Tree, meanings: Mapping[str, Meaning], calls: Mapping[str, Meaning], turn: Turn
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """The innermost steps and their spans, never one together with what it is made of. Steps of no
    known kind count where nothing known is above or below them: a validation, say."""
    mine = sorted({*turn.calls, *turn.others}, key=lambda id_: tree.spans[id_].order)
    known = {id_ for id_ in mine if id_ in calls or meanings[id_].kind in _STAGES}
    busy: set[str | None] = set()  # holds a stage below
    covered: set[str | None] = set()  # a stage above
    order = sorted(mine, key=tree.place)
    for id_ in reversed(order):
        if id_ in known or id_ in busy:
            busy.add(tree.parent(id_))
    for id_ in order:
        if tree.parent(id_) in covered or (id_ in known and id_ not in busy):
            covered.add(id_)
    found, ids = [], []
    begin = min(tree.spans[id_].start_ns for id_ in mine)
    for id_ in mine:
        span, inner = tree.spans[id_], id_ not in busy
        unknown = meanings[id_].kind == "other" and not tree.children(id_)
        if not inner or not (id_ in known or unknown) or tree.parent(id_) in covered:
            continue
        kind = "llm" if id_ in calls else meanings[id_].kind
        ids.append(id_)
        found.append(
            {
                "name": span.name or kind,
                "kind": kind,
                "start_ms": (span.start_ns - begin) / 1e6,
                "duration_ms": span.duration_ms,
                "status": span.status or "ok",
                "error": error_of(span, meanings[id_]) if span.status == "error" else None,
            }
        )
    return found[:_MAX_STAGES] or None, ids[:_MAX_STAGES]


def error_of(span: Span, meaning: Meaning) -> str:
    """What kind of error a failed span tells."""
    return (meaning.error_type or span.message or "unknown")[:200]
