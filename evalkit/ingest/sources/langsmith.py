"""LangSmith runs, one JSON object a line, as the SDK dumps them and the bulk export holds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError
from evalkit.ingest.contract import Api, Client, RecordError, Window
from evalkit.ingest.dialects.calls import (
    ANSWERED,
    ASKED,
    answers_got,
    documents_got,
    messages_given,
    model_got,
    text_in,
    usage_got,
    usages_in,
)
from evalkit.ingest.dialects.messages import loaded
from evalkit.ingest.fields import Fields, decimal_of
from evalkit.ingest.otlp_json import time_ns_of
from evalkit.ingest.paging import by_token, listed, stamp
from evalkit.ingest.records import time_in
from evalkit.ingest.spans import Kind, Meaning, Span, Usage
from evalkit.ingest.times import time_of
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE", "meaning_of", "place", "spans"]

ABOUT = """LangSmith runs as JSON lines: `{"id", "trace_id", "run_type", "start_time", "inputs",
"outputs", "extra", ...}`, objects also as JSON in a string, and feedback records.

All runs of a trace are folded together; a row is a question with its answer, its chunks and its
stages. Tokens and costs of parents are sums and are not added. The conversation is `thread_id`,
`session_id` or `conversation_id` of the metadata: `session_id` of a run is its project. A run
without an end is kept and marked `incomplete`; when it is exported again with its end, that one
stands. A total cost of 0 is an unknown one."""

_KINDS: Mapping[str, Kind] = {
    "llm": "llm",
    "retriever": "retrieval",
    "tool": "tool",
    "chain": "chain",
    "embedding": "embedding",
    "prompt": "prompt",
    "parser": "other",
}
_CONVERSATION = ("thread_id", "session_id", "conversation_id")
#: Sums, copies and links; addresses of offloaded payloads are signed, and so secrets.
_DROPPED = frozenset(
    {
        "id", "trace_id", "parent_run_id", "parent_run_ids", "child_run_ids", "child_runs",
        "direct_child_run_ids", "dotted_order", "events", "serialized", "manifest_id",
        "inputs_s3_urls", "outputs_s3_urls", "s3_urls", "total_tokens", "prompt_cost",
        "completion_cost", "prompt_cost_details", "completion_cost_details", "app_path",
        "share_token", "status", "session_id", "inputs_preview", "outputs_preview",
        "usage_metadata", "lc_hub_owner",
    }
)  # fmt: skip
_ERROR = re.compile(r"\s*([A-Za-z_][\w.]{0,99})(?=[(:])")
_UUID_CHARACTERS = 36
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_API = "/api/v1"
_PAGE = 100
_SELECTED = (
    "id", "trace_id", "parent_run_id", "dotted_order", "session_id", "name", "run_type", "start_time",
    "end_time", "first_token_time", "inputs", "outputs", "extra", "error", "status", "tags",
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_token_details",
    "completion_token_details", "total_cost", "prompt_cost", "completion_cost", "feedback_stats",
    "reference_example_id", "in_dataset", "inputs_s3_urls", "outputs_s3_urls",
)  # fmt: skip


def place(record: dict[str, Any]) -> Place | None:
    """To which trace a run or a feedback record belongs."""
    fields = Fields(record)
    if _is_feedback(record):
        trace = fields.text("trace_id", "run_id")
        return None if trace is None else Place(trace, time_of(record.get("created_at")))
    if "run_type" not in record and "start_time" not in record:
        raise RecordError("neither run nor feedback")
    time = time_in(record, "start_time")
    id_ = fields.text("id")
    if id_ is None:
        raise RecordError("id: missing", time)
    return Place(fields.text("trace_id") or _first_of_order(record) or id_, time)


def spans(trace: str, records: list[dict[str, Any]]) -> list[Updated]:
    """The runs of one trace as spans, each with the feedback records that are about it."""
    feedback: dict[str, list[dict[str, Any]]] = {}
    told: set[str] = set()
    for record in records:
        if _is_feedback(record):
            key = str(record.get("id"))
            if record.get("id") is None or key not in told:
                told.add(key)
                for run, said in _said(record, trace):
                    feedback.setdefault(run, []).append(said)
    found = [_updated(trace, record) for record in records if not _is_feedback(record)]
    return [
        one._replace(
            span=replace(
                one.span, attributes={**one.span.attributes, "\x00said": feedback[one.span.id]}
            )
        )
        if one.span.id in feedback
        else one
        for one in found
    ]


def meaning_of(span: Span) -> Meaning:
    """What a run says."""
    fields = Fields(span.attributes)
    kind = _KINDS.get((fields.text("run_type") or "").lower(), "other")
    extra = Fields(fields.object("extra"))
    meta = Fields(extra.object("metadata"))
    asked_with = Fields(extra.object("invocation_params"))
    given, cut = loaded(fields.rest.pop("inputs", None))
    got, cut_out = loaded(fields.rest.pop("outputs", None))
    answers = answers_got(got) if kind == "llm" else None
    first = time_ns_of(fields.rest.pop("first_token_time", None))
    model = meta.text("ls_model_name")
    requested = asked_with.text("model", "model_name")
    stats = fields.object("feedback_stats") or {}
    said = list(fields.items("\x00said") or ())
    named = {one["name"] for one in said}
    for name, one in stats.items():
        value = Fields(one).number("avg")
        if value is not None and name not in named:
            said.append({"name": name, "value": value})
    cost = decimal_of(fields.rest.pop("total_cost", None))
    offloaded = [
        name
        for name, value in (("inputs", given), ("outputs", got))
        if not value and fields.rest.get(f"{name}_s3_urls")
    ]
    usage = _usage(fields, meta, got)
    return Meaning(
        kind=kind,
        messages=messages_given(given) if kind == "llm" else None,
        answers=answers,
        input_text=text_in(given, ASKED),
        output_text=text_in(got, ANSWERED),
        query=text_in(given, ASKED) if kind == "retrieval" else None,
        documents=documents_got(got) if kind in ("retrieval", "tool") else None,
        usage=usage,
        cost_usd=cost or None,
        provider=meta.text("ls_provider"),
        model=model_got(got) or model or requested,
        requested_model=requested,
        session_id=meta.text(*_CONVERSATION),
        user_id=meta.text("user_id"),
        app=fields.text("session_name") or meta.text("app"),
        environment=meta.text("environment", "env"),
        route=meta.text("route"),
        prompt_name=meta.text("lc_hub_repo", "prompt_name"),
        prompt_version=meta.text("lc_hub_commit_hash", "prompt_version"),
        ttft_ms=(first - span.start_ns) / 1e6 if first and first >= span.start_ns else None,
        error_type=_error(span.message),
        feedback=said or None,
        truncated=True if cut or cut_out else None,
        rest=_rest(fields, meta, asked_with)
        | ({"offloaded": ", ".join(offloaded)} if offloaded else {})
        | ({"incomplete": "true"} if span.end_ns is None else {}),
    )


def _updated(trace: str, record: dict[str, Any]) -> Updated:
    fields = Fields(record)
    error = fields.text("error")
    failed = error is not None or record.get("status") == "error"
    order = fields.text("dotted_order") or ""
    parent = fields.text("parent_run_id")
    if parent is None and order.count(".") > 0:
        parent = order.split(".")[-2][-_UUID_CHARACTERS:]
    end = fields.rest.pop("end_time", None)
    span = Span(
        trace=trace,
        id=fields.text("id") or "",
        parent=parent,
        name=fields.text("name") or "",
        start_ns=time_ns_of(fields.rest.pop("start_time", None)) or 0,
        end_ns=time_ns_of(end),
        attributes=fields.rest,
        status="error" if failed else "ok",
        message=error,
    )
    return Updated(span, time_of(end))


def _first_of_order(record: Mapping[str, Any]) -> str | None:
    order = record.get("dotted_order")
    if not isinstance(order, str):
        return None
    first = order.split(".")[0].rpartition("Z")[2]
    return first if len(first) == _UUID_CHARACTERS else None


# ── feedback


def _is_feedback(record: Mapping[str, Any]) -> bool:
    return "key" in record and "run_type" not in record and ("score" in record or "value" in record)


def _said(record: dict[str, Any], trace: str) -> Iterator[tuple[str, dict[str, Any]]]:
    fields = Fields(record)
    source = Fields(fields.object("feedback_source"))
    if source.text("type") == "model":  # a model's verdict is no feedback
        return
    said = {
        "name": fields.text("key"),
        "value": fields.rest.get("score"),
        "label": fields.text("value"),
        "comment": fields.text("comment"),
        "by": source.text("user_id"),
    }
    yield fields.text("run_id") or trace, said


# ── figures


def _usage(fields: Fields, meta: Fields, got: object) -> Usage | None:
    """Tokens, cached ones included, from the first place that tells them."""
    sums = {
        "input_tokens": fields.count("prompt_tokens"),
        "output_tokens": fields.count("completion_tokens"),
        "input_token_details": fields.object("prompt_token_details"),
        "output_token_details": fields.object("completion_token_details"),
    }
    return usage_got(*usages_in(got), meta.object("usage_metadata"), sums)


def _error(message: str | None) -> str | None:
    if message is None:
        return None
    match = _ERROR.match(message)
    return match[1] if match else message.strip().splitlines()[0][:200]


def _rest(fields: Fields, meta: Fields, asked_with: Fields) -> dict[str, Any]:
    def kept(rest: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in rest.items() if name not in _DROPPED}

    return {
        **kept(fields.rest),
        **{f"metadata.{name}": value for name, value in kept(meta.rest).items()},
        **{f"request.{name}": value for name, value in asked_with.rest.items()},
    }


# ── the API


def _fetch(settings: SourceSettings, window: Window, client: Client) -> Iterator[dict[str, Any]]:
    """Runs that began in the window, a hundred a page, which is the most that is given."""
    project = _project(settings, client)

    def ask(cursor: str | None) -> Any:
        body = {
            "session": [project],
            "start_time": stamp(window.start),
            "filter": f'lt(start_time, "{stamp(window.end, up=True)}")',
            "order": "asc",
            "limit": _PAGE,
            "select": list(_SELECTED),
        }
        return client.post(
            f"{_API}/runs/query", body if cursor is None else {**body, "cursor": cursor}
        )

    return by_token(ask, ("runs",), ("cursors", "next"))


def _project(settings: SourceSettings, client: Client) -> str:
    """The id of the project that the configuration names."""
    name = settings.project
    if name is None:
        raise ConfigError("langsmith: no project. Name one with project, by its name or id.")
    if _UUID.fullmatch(name):
        return name
    for one in listed(client.get(f"{_API}/sessions", {"name": name})):
        id_ = Fields(one).text("id")
        if one.get("name") == name and id_ is not None:
            return id_
    raise ConfigError(f"langsmith: no project is called {name!r}. Check project and the key.")


def _headers(_: SourceSettings, key: str | None, __: str | None) -> dict[str, str]:
    return {} if key is None else {"x-api-key": key}


SOURCE = replace(
    trace_source("langsmith", TraceFormat(place, spans, meaning_of), ABOUT, __name__),
    api=Api(_fetch, _headers, probe=f"{_API}/sessions"),
)
