"""Lists inside a record (documents, stages, feedback) in the shape that `interactions` has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalkit.ingest.fields import Fields, attributes_of

__all__ = ["contexts_of", "feedback_of", "stages_of"]


def contexts_of(documents: Iterable[Any]) -> list[dict[str, Any]]:
    """Chunks from documents, which are objects or bare texts; `rank` counts from 1 in the order
    given."""
    chunks = []
    for rank, document in enumerate(documents, start=1):
        fields = Fields({"text": document} if isinstance(document, str) else document)
        chunk = {
            "id": fields.text("id", "document_id", "doc_id", "chunk_id"),
            "text": fields.text("text", "content", "page_content"),
            "score": fields.number("score"),
            "rank": _rank(fields, rank),
            "updated_at": fields.time("updated_at"),
            "attributes": attributes_of(fields.rest),
        }
        if chunk["id"] is not None or chunk["text"] is not None:
            chunks.append(chunk)
    return chunks


def _rank(fields: Fields, place: int) -> int:
    rank = fields.count("rank")
    return rank if rank is not None and rank < 2**31 else place


def stages_of(stages: Iterable[Any]) -> list[dict[str, Any]]:
    """Pipeline stages from objects with a name."""
    found = []
    for stage in stages:
        fields = Fields(stage)
        name = fields.text("name", "stage")
        if name is None:
            continue
        found.append(
            {
                "name": name,
                "kind": fields.text("kind", "type") or name,
                "start_ms": fields.number("start_ms"),
                "duration_ms": fields.number("duration_ms", "latency_ms"),
                "status": fields.text("status"),
                "error": fields.text("error"),
            }
        )
    return found


def feedback_of(feedback: Iterable[Any]) -> list[dict[str, Any]]:
    """What people said about the answer, from objects; a verdict of true or false counts as 1 or
    0."""
    found = []
    for item in feedback:
        fields = Fields(item)
        verdict = fields.flag("value")
        said = {
            "name": fields.text("name", "key"),
            "value": fields.number("value", "score") if verdict is None else float(verdict),
            "label": fields.text("label", "value"),
            "comment": fields.text("comment"),
            "by": fields.text("by", "user_id"),
        }
        if any(value is not None for value in said.values()):
            found.append(said)
    return found
