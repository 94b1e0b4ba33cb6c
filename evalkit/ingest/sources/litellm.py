"""LiteLLM's StandardLoggingPayload, which its S3, GCS and custom callbacks write, and the rows of its
table `LiteLLM_SpendLogs`: one call each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Query, RecordError, Row
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.linewise import line_source
from evalkit.ingest.openai_shapes import (
    answers_of,
    documents_of,
    failure_of,
    format_of,
    messages_of,
    search_documents,
    tool_documents,
    usage_of,
)
from evalkit.ingest.parts import contexts_of
from evalkit.ingest.prompts import conversation_of, fingerprint
from evalkit.ingest.spend_logs import SELECT, WATERMARK, is_spend_log, payload_of

__all__ = ["SOURCE", "parse"]

#: What the proxy writes in place of a text that it was told not to log.
_REDACTED = "redacted-by-litellm"
#: Stands in a text where the proxy cut it.
_CUT = "litellm_truncated"
_PLACES = ("spend_logs_metadata", "requester_metadata")


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """LiteLLM's StandardLoggingPayload, one JSON object a line: `{"id", "call_type", "status",
    "startTime", "messages", "response", "metadata", ...}`; or the rows of its table
    `LiteLLM_SpendLogs`, from the database or an export.

    Contexts are the results of the proxy's vector store searches, else what tools gave back.
    Latency is the end minus the start, for `response_time` is the time to the first token where the
    answer was streamed. A logged cost of 0 for a call with tokens that no cache answered is an
    unknown one: the proxy writes 0 for models without a price.
    """
    top = Fields(payload_of(record) if is_spend_log(record) else record)
    started, ended = top.time("startTime"), top.time("endTime")
    first = top.time("completionStartTime")
    if started is None:
        found = top.rest.get("startTime") is not None
        raise RecordError("startTime: is no time" if found else "no startTime")
    call_type = top.text("call_type")
    if call_type is None and not {"messages", "response", "model", "status"} & top.rest.keys():
        raise RecordError("no call: neither call_type nor messages, response, model or status")
    meta = Fields(top.object("metadata"))
    more = [Fields(meta.object(name)) for name in _PLACES]
    parameters = Fields(top.object("model_parameters"))
    got, said = _response(top)
    failed = top.text("status") == "failure"
    cache_hit = _is_true(top.rest.pop("cache_hit", None))

    asked = Fields({"messages": top.rest.pop("messages", None)})
    if isinstance(asked.rest["messages"], str):
        asked = Fields({"input": asked.rest["messages"]})
    messages = _known(messages_of(asked))
    talk = conversation_of(messages, settings.question_pattern)
    searches = [Fields(one) for one in meta.items("vector_store_request_metadata") or []]
    documents = _searched(searches)
    documents = documents_of(got) if documents is None else documents
    documents = tool_documents(messages) if documents is None else documents
    contexts = None if documents is None else contexts_of(documents)
    pairs = (
        None if contexts is None else [(chunk.get("id"), chunk.get("text")) for chunk in contexts]
    )
    requested = top.text("model")
    usage = _usage(top, meta, got, failed)
    row: Row = {
        "started_at": started,
        "updated_at": ended,
        "trace_id": top.text("trace_id"),
        "session_id": top.text("session_id") or _first([meta, *more], "session_id"),
        "user_id": top.text("end_user")
        or meta.text("user_api_key_end_user_id")
        or _first(more, "user_id")
        or top.text("user")
        or meta.text("user_api_key_user_id"),
        "app": _first(more, "app") or meta.text("user_api_key_alias"),
        "route": _first(more, "route"),
        "environment": _first(more, "environment", "env"),
        "provider": top.text("custom_llm_provider"),
        "model": got.text("model") or requested,
        "requested_model": requested,
        "prompt_name": _first(more, "prompt_name", "prompt"),
        "prompt_version": _first(more, "prompt_version"),
        "prompt_fingerprint": fingerprint(talk, pairs),
        "system_prompt": talk.system,
        "history": talk.history if messages else None,
        "query": talk.query,
        "contexts": contexts,
        "response_format": format_of(parameters),
        "cost_logged_usd": _cost(top, usage, cache_hit),
        "latency_ms": _between(started, ended),
        # An answer that was not streamed begins when it ends: that says nothing.
        "ttft_ms": None if first == ended else _between(started, first),
        "stages": _stages(searches, started, ended),
        "truncated": True if _is_cut(messages, contexts, said) else None,
    }
    answers = [_failure(top)] if failed else answers_of(got, None, None)
    if said is not None and not failed:
        answers = [{"status": "ok", "response": said, "attributes": {}}]
    source_id = top.text("id") or got.text("id")
    attributes = {
        **attributes_of(got.rest, "response."),
        **attributes_of(parameters.rest, "request."),
        **{k: v for fields in more for k, v in attributes_of(fields.rest).items()},
        **attributes_of(meta.rest, "metadata."),
        **attributes_of(top.rest),
    }
    if call_type is not None:
        attributes["call_type"] = call_type
    if cache_hit:
        attributes["cache_hit"] = "true"
    rows = []
    for index, answer in enumerate(answers):
        own = answer.pop("attributes")
        one = {**row, **answer, "attributes": {**attributes, **own}}
        if one.get("response") == _REDACTED:
            one["response"] = None
        if _is_cut(one.get("response")):
            one["truncated"] = True
        if index == 0:
            one |= usage
        else:  # the call is counted and paid once, however many answers it gave
            one["cost_logged_usd"] = None
        if source_id is not None:
            one["source_id"] = source_id if len(answers) == 1 else f"{source_id}#{index}"
        rows.append({name: value for name, value in one.items() if value is not None})
    return rows


def _response(top: Fields) -> tuple[Fields, str | None]:
    """The response object, and the text that stands in its place (also a cut one)."""
    got = Fields(top.object("response"))
    return got, None if got.rest else top.text("response")


def _known(messages: list[Any]) -> list[Any]:
    """The messages that the proxy was allowed to log."""
    return [
        message
        for message in messages
        if not (isinstance(message, dict) and message.get("content") == _REDACTED)
    ]


def _searched(searches: list[Fields]) -> list[Any] | None:
    found: list[Any] | None = None
    for search in searches:
        results = Fields(search.object("vector_store_search_response"))
        listed = results.items("data")
        if listed is not None:
            found = (found or []) + search_documents(listed)
    return found


def _stages(
    searches: list[Fields], started: datetime, ended: datetime | None
) -> list[dict[str, Any]] | None:
    """The vector store searches and the call itself, in ms from the first of them."""
    steps: list[tuple[datetime, datetime | None, str, str]] = []
    for search in searches:
        begun = search.time("start_time")
        if begun is not None:
            name = search.text("vector_store_id") or "vector store"
            steps.append((begun, search.time("end_time"), name, "retrieval"))
    if not steps:
        return None
    steps.append((started, ended, "call", "llm"))
    steps.sort(key=lambda step: step[0])
    return [
        {
            "name": name,
            "kind": kind,
            "start_ms": _between(steps[0][0], begun),
            "duration_ms": _between(begun, done),
            "status": "ok",
            "error": None,
        }
        for begun, done, name, kind in steps
    ]


def _usage(top: Fields, meta: Fields, got: Fields, failed: bool) -> Row:
    usage = usage_of(Fields(got.object("usage")))
    logged = usage_of(Fields(meta.object("usage_object")))
    counts = {
        "tokens_input": top.count("prompt_tokens"),
        "tokens_output": top.count("completion_tokens"),
    }
    found = {
        **{name: value for name, value in counts.items() if value is not None},
        **logged,
        **usage,
    }
    top.rest.pop("total_tokens", None)
    if failed and not any(value for value in found.values() if isinstance(value, int)):
        return {}  # zeros that stand for "nothing came back"
    if "tokens_input" in found:
        found.setdefault("token_semantics", "inclusive")
    return found


def _cost(top: Fields, usage: Row, cache_hit: bool) -> float | None:
    cost = top.number("response_cost")
    unpriced = top.rest.get("response_cost_failure_debug_info") is not None
    tokens = (usage.get("tokens_input") or 0) + (usage.get("tokens_output") or 0)
    if cost == 0 and not cache_hit and (unpriced or tokens or not usage):
        top.rest["response_cost"] = 0
        return None
    return cost


def _failure(top: Fields) -> Row:
    information = Fields(top.object("error_information"))
    text = top.text("error_str")
    message = information.text("error_message") or text
    kind = information.text("error_class")
    error = {"code": information.text("error_code"), "type": kind or text or "failure"}
    found = failure_of(error, None)
    found["attributes"] |= attributes_of({"message": message}, "error.")
    found["attributes"] |= attributes_of(information.rest, "error.")
    if kind and kind not in found["error_type"]:
        found["error_type"] = f"{found['error_type']} {kind}"[:200]
    return found


def _first(places: list[Fields], *names: str) -> str | None:
    for fields in places:
        value = fields.text(*names)
        if value is not None:
            return value
    return None


def _between(start: datetime, end: datetime | None) -> float | None:
    return None if end is None or end < start else (end - start).total_seconds() * 1000


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _is_cut(*found: Any) -> bool:
    """Whether any text in there was cut by the proxy."""
    waiting = list(found)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _CUT in value:
                return True
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


SOURCE = replace(line_source("litellm", parse, __name__), query=Query(SELECT, WATERMARK))
