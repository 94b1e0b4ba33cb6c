"""Makes rows of one call to a model endpoint whose bodies were logged. What a log says around them is
a source's business."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.ingest.bodies import Asked, Said
from evalkit.ingest.contract import Row
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.openai_shapes import tool_documents
from evalkit.ingest.parts import contexts_of
from evalkit.ingest.prompts import conversation_of, fingerprint

__all__ = ["carried", "rows_of_call"]

#: What callers send along, by the column that it is for.
_CARRIED: Mapping[str, tuple[str, ...]] = {
    "session_id": ("session_id", "conversation_id", "thread_id"),
    "user_id": ("user_id", "user"),
    "app": ("app", "application"),
    "route": ("route",),
    "environment": ("environment", "env"),
    "prompt_name": ("prompt_name", "prompt"),
    "prompt_version": ("prompt_version",),
}


def carried(labels: Fields) -> Row:
    """The columns that labels are for; what is understood is taken out."""
    found = {column: labels.text(*names) for column, names in _CARRIED.items()}
    return {column: value for column, value in found.items() if value is not None}


def rows_of_call(
    asked: Asked,
    said: Said,
    around: Row,
    attributes: Mapping[str, str],
    pattern: str,
    source_id: str | None,
) -> list[Row]:
    """A row for each choice; the tokens stand in the first, for they are counted together.

    Args:
        asked, said: the bodies.
        around: what the log says itself; it stands where the bodies say the same.
        attributes: what is kept as text.
        pattern: the question pattern of the source.
        source_id: the call's id; None where the line's hash is to be.
    """
    talk = conversation_of(asked.messages, pattern)
    documents = tool_documents(asked.messages) if said.documents is None else said.documents
    contexts = None if documents is None else contexts_of(documents)
    pairs = None if contexts is None else [(one.get("id"), one.get("text")) for one in contexts]
    row: Row = {
        "model": said.model or asked.model,
        "requested_model": asked.model,
        "prompt_fingerprint": fingerprint(talk, pairs),
        "system_prompt": talk.system,
        "history": talk.history if asked.messages else None,
        "query": talk.query,
        "contexts": contexts,
        "response_format": asked.response_format,
        "truncated": True if said.cut else None,
        **{column: value for column, value in around.items() if value is not None},
    }
    told = {**attributes_of(asked.rest.rest, "request."), **said.attributes, **attributes}
    if said.streamed and not said.usage:
        told["usage"] = "not in the stream"
    if said.response_id is not None and said.response_id != source_id:
        told["response_id"] = said.response_id
    rows = []
    for index, choice in enumerate(said.choices):
        own = choice.pop("attributes")
        one = {**row, **choice, "attributes": {**told, **own}}
        if index == 0:
            one |= said.usage
        if source_id is not None:
            one["source_id"] = source_id if len(said.choices) == 1 else f"{source_id}#{index}"
        rows.append({name: value for name, value in one.items() if value is not None})
    return rows
