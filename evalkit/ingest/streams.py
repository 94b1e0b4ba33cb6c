"""Puts a streamed answer together again: chunks or server-sent events to one API object. No log
format is known here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalkit.ingest.contract import RecordError
from evalkit.ingest.records import record_of

__all__ = ["CHUNK", "assembled", "events_of", "is_stream"]

#: What `object` says in each chunk of a chat completion.
CHUNK = "chat.completion.chunk"
_DATA = "data:"
_FRAMES = (_DATA, "event:")
_HEAD = ("id", "created", "model", "system_fingerprint", "service_tier", "usage", "error")
_MAX_CHOICES = 128


def is_stream(body: object) -> bool:
    """Whether a logged body is a list of chunks or events, or the text of an event stream."""
    if isinstance(body, str):
        return body.lstrip()[:6].lower().startswith(_FRAMES)
    return isinstance(body, list) and any(
        isinstance(item, dict) and (item.get("object") == CHUNK or _is_event(item)) for item in body
    )


def events_of(body: object) -> list[dict[str, Any]]:
    """The chunks of a stream: those of a list, or those in the `data:` lines of its text.

    >>> events_of('data: {"id": "a"}\\n\\ndata: [DONE]\\n')
    [{'id': 'a'}]
    """
    if isinstance(body, str):
        found = []
        for line in body.splitlines():
            text = line.strip().removeprefix(_DATA).strip()
            if line.strip().startswith(_DATA) and text != "[DONE]":
                try:
                    found.append(record_of(text.encode("utf-8", "replace")))
                except RecordError:
                    continue  # a cut last event: what came before it stands
        return found
    return [item for item in body if isinstance(item, dict)] if isinstance(body, list) else []


def assembled(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One `chat.completion` (or `response`) from its chunks, in the order of their arrival.

    Texts are joined for each choice. The usage is the last one given: without
    `stream_options.include_usage` there is none, and none is made up. A choice that no chunk
    finishes keeps `finish_reason` None, and `cut` is true then.
    """
    events = list(events)
    ready = [event["response"] for event in events if _holds_response(event)]
    if ready:
        return _response(ready[-1], events)
    whole: dict[str, Any] = {"object": "chat.completion"}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        for name in _HEAD:
            if event.get(name) not in (None, "", 0):
                whole[name] = event[name]
        given = event.get("choices")
        for choice in given if isinstance(given, list) else []:
            if isinstance(choice, dict):
                _add(choices, choice)
    whole["choices"] = [
        {
            "index": index,
            "finish_reason": choice["finish_reason"],
            "message": {
                "role": "assistant",
                "content": "".join(choice["content"]) or None,
                "refusal": "".join(choice["refusal"]) or None,
                **({"tool_calls": choice["tool_calls"]} if choice["tool_calls"] else {}),
            },
        }
        for index, choice in sorted(choices.items())
    ]
    if not choices or any(choice["finish_reason"] is None for choice in choices.values()):
        whole["cut"] = True
    return whole


def _add(choices: dict[int, dict[str, Any]], choice: dict[str, Any]) -> None:
    index = choice.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MAX_CHOICES:
        index = 0
    held = choices.setdefault(
        index, {"content": [], "refusal": [], "tool_calls": [], "finish_reason": None}
    )
    delta = choice.get("delta")
    if isinstance(delta, dict):
        for name in ("content", "refusal"):
            if isinstance(delta.get(name), str):
                held[name].append(delta[name])
        if isinstance(delta.get("tool_calls"), list):
            held["tool_calls"] += delta["tool_calls"]
    if isinstance(choice.get("text"), str):  # the older completions endpoint
        held["content"].append(choice["text"])
    if isinstance(choice.get("finish_reason"), str):
        held["finish_reason"] = choice["finish_reason"]


def _is_event(item: dict[str, Any]) -> bool:
    return isinstance(item.get("type"), str) and item["type"].startswith("response.")


def _holds_response(event: dict[str, Any]) -> bool:
    return _is_event(event) and isinstance(event.get("response"), dict)


def _response(last: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response object of the last event that has one; its text from the deltas where the
    stream ended before it was whole."""
    if last.get("output") or last.get("status") not in (None, "in_progress", "queued"):
        return last
    text = "".join(
        event["delta"]
        for event in events
        if event.get("type") == "response.output_text.delta" and isinstance(event.get("delta"), str)
    )
    part = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return {**last, "output": [part] if text else [], "cut": True}
