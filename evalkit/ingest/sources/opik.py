"""Comet Opik: traces with their spans, a trace a file as its command line exports them, or traces and
spans an object a line as its API gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from evalkit.config import SourceSettings
from evalkit.errors import SourceError
from evalkit.ingest.contract import Api, Client, RecordError, Window
from evalkit.ingest.dialects.calls import (
    ANSWERED,
    ASKED,
    answers_got,
    as_call,
    documents_got,
    messages_given,
    model_got,
    text_in,
)
from evalkit.ingest.dialects.messages import loaded
from evalkit.ingest.documents import documents
from evalkit.ingest.fields import Fields, decimal_of
from evalkit.ingest.otlp_json import time_ns_of
from evalkit.ingest.paging import listed, stamp
from evalkit.ingest.records import time_in
from evalkit.ingest.spans import Kind, Meaning, Span, Usage
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE", "meaning_of"]

ABOUT = """Opik's export: `{"trace": {...}, "spans": [...]}`, a trace a file (`opik export ... traces`)
or a line, also traces and spans as objects of their own.

All spans of a trace are folded together below it; a row is a question with its answer, its chunks
and its stages. A trace without a model call is a row itself where it tells both input and output.
The conversation is the trace's `thread_id`. Tokens and costs of traces are sums and are not added.
What Opik's own evaluators did (`source` evaluator, `visibility_mode` hidden) is left out, and so are
scores that a model gave."""

_KINDS: Mapping[str, Kind] = {
    "llm": "llm",
    "tool": "tool",
    "guardrail": "guardrail",
    "general": "other",
}
_TRACE = "trace"
_RETRIEVAL = re.compile(r"retriev|search|vector|lookup", re.IGNORECASE)
#: Scores of Opik's online evaluation: a model's verdict is no feedback.
_BY_MODEL = "online_scoring"
#: Sums, copies, bookkeeping.
_DROPPED = frozenset(
    {
        "id", "trace_id", "parent_span_id", "project_id", "workspace_name", "duration",
        "span_count", "llm_span_count", "has_tool_spans", "providers", "span_feedback_scores",
        "total_estimated_cost_version", "created_at", "created_by", "last_updated_at",
        "last_updated_by", "attachments", "annotation_queues",
    }
)  # fmt: skip
_PROJECT = {"id", "name"}
_USAGE = "original_usage."
_API = "/v1/private"
_PAGE = 200


def _split(record: dict[str, Any]) -> Iterator[dict[str, Any] | RecordError]:
    if "spans" not in record and not isinstance(record.get(_TRACE), dict):
        yield {"what": "span" if "trace_id" in record else _TRACE, "record": record}
        return
    project = record.get("project_name")
    trace = record.get(_TRACE)
    if isinstance(trace, dict):
        yield {"what": _TRACE, "record": trace, "project": project}
    elif trace is not None:
        yield RecordError("trace: is no object")
    spans = record.get("spans")
    if spans is not None and not isinstance(spans, list):
        yield RecordError("spans: is no list")
        return
    for place, span in enumerate(spans or ()):
        if isinstance(span, dict):
            yield {"what": "span", "record": span, "project": project}
        else:
            yield RecordError(f"spans[{place}]: is no object")


def _place(found: dict[str, Any]) -> Place | None:
    record = found["record"]
    if record.keys() == _PROJECT:  # `project.json` stands among the traces
        return None
    fields = Fields(record)
    if "start_time" not in record and "id" not in record:
        raise RecordError("neither trace nor span")
    time = time_in(record, "start_time")
    id_ = fields.text("id")
    if id_ is None:
        raise RecordError("id: missing", time)
    trace = id_ if found["what"] == _TRACE else fields.text("trace_id")
    if trace is None:
        raise RecordError("trace_id: missing", time)
    return Place(trace, time)


def _spans(trace: str, records: list[dict[str, Any]]) -> list[Updated]:
    """The trace and its spans; what stands at the top of the trace or nowhere stands below it."""
    about: Updated | None = None
    spans: list[Updated] = []
    for found in records:
        one = _updated(trace, found["record"], found["what"], found.get("project"))
        if found["what"] != _TRACE:
            spans.append(one)
        elif about is None or (about.at is not None and one.at is not None and one.at >= about.at):
            about = one
    if about is None:
        return spans
    known = {one.span.id for one in spans}
    tags = about.span.attributes.get("tags")
    below = []
    for one in spans:
        parent = one.span.parent if one.span.parent in known else trace
        attributes = {"tags": tags, **one.span.attributes} if tags else one.span.attributes
        below.append(one._replace(span=replace(one.span, parent=parent, attributes=attributes)))
    return [about, *below]


def _updated(trace: str, record: dict[str, Any], what: str, project: object) -> Updated:
    fields = Fields(record)
    error = Fields(fields.object("error_info"))
    kind, message = error.text("exception_type"), error.text("message")
    changed = fields.time("last_updated_at")
    if project is not None:
        fields.rest.setdefault("project_name", project)
    span = Span(
        trace=trace,
        id=fields.text("id") or "",
        parent=fields.text("parent_span_id"),
        name=fields.text("name") or "",
        start_ns=time_ns_of(fields.rest.pop("start_time", None)) or 0,
        end_ns=time_ns_of(fields.rest.pop("end_time", None)),
        kind=what,
        attributes=fields.rest,
        status="error" if kind or message else "ok",
        message=kind or message,
    )
    return Updated(span, changed)


def meaning_of(span: Span) -> Meaning:
    """What a span says, or the trace itself."""
    fields = Fields(span.attributes)
    meta = Fields(fields.object("metadata"))
    given, cut = loaded(fields.rest.pop("input", None))
    got, cut_out = loaded(fields.rest.pop("output", None))
    is_trace = "type" not in fields.rest and span.id == span.trace
    kind: Kind = "chain" if is_trace else _KINDS.get(fields.text("type") or "", "other")
    documents = None
    if kind in ("tool", "other"):
        documents = documents_got(got)
        if documents is not None and (_RETRIEVAL.search(span.name) or _holds_documents(got)):
            kind = "retrieval"
    if fields.rest.get("source") == "evaluator" or "hidden" in (
        fields.text("visibility_mode"),
        fields.text("visibility"),
    ):
        kind = "evaluator"
    usage = _usage(Fields(fields.object("usage")))
    cost = decimal_of(fields.rest.pop("total_estimated_cost", None))
    name, version = _prompt(meta)
    if is_trace:
        messages, answers = as_call(given, got)
    elif kind == "llm":
        messages, answers = messages_given(given), answers_got(got)
    else:
        messages, answers = None, None
    asked = Fields(given)
    return Meaning(
        kind=kind,
        messages=messages,
        answers=answers,
        input_text=text_in(given, ASKED),
        output_text=text_in(got, ANSWERED),
        query=text_in(given, ASKED) if kind == "retrieval" else None,
        documents=documents,
        usage=usage if kind == "llm" else None,
        cost_usd=(cost or None) if kind == "llm" else None,
        provider=fields.text("provider"),
        model=model_got(got) or fields.text("model") or asked.text("model"),
        requested_model=asked.text("model"),
        session_id=fields.text("thread_id") or meta.text("thread_id", "session_id"),
        user_id=meta.text("user_id", "user"),
        app=fields.text("project_name") or meta.text("app"),
        environment=fields.text("environment") or meta.text("environment", "env"),
        route=meta.text("route") or (span.name if is_trace else None) or None,
        prompt_name=name,
        prompt_version=version,
        ttft_ms=fields.number("ttft"),
        error_type=span.message,
        feedback=_feedback(fields) or None,
        truncated=True if cut or cut_out else None,
        rest=_rest(fields, meta),
    )


def _holds_documents(got: object) -> bool:
    return isinstance(got, dict) and isinstance(got.get("documents"), list)


def _usage(usage: Fields) -> Usage | None:
    """Tokens, cached ones included, from Opik's keys and the provider's own behind them."""

    def original(*names: str) -> int | None:
        return usage.count(*(_USAGE + name for name in names))

    read = original("cache_read_input_tokens")
    written = original("cache_creation_input_tokens")
    sent, alone = usage.count("prompt_tokens"), original("input_tokens")
    if (read or written) and sent is not None and sent == alone:  # Anthropic counts them apart
        sent += (read or 0) + (written or 0)
    found = Usage(
        input=sent if sent is not None else alone,
        cached=original(
            "prompt_tokens_details.cached_tokens",
            "input_tokens_details.cached_tokens",
            "cached_content_token_count",
        )
        if read is None
        else read,
        written=written,
        output=usage.count("completion_tokens", _USAGE + "output_tokens"),
        reasoning=original(
            "completion_tokens_details.reasoning_tokens",
            "output_tokens_details.reasoning_tokens",
            "thoughts_token_count",
        ),
    )
    return found if found.known else None


def _prompt(meta: Fields) -> tuple[str | None, str | None]:
    prompts = meta.rest.pop("opik_prompts", None)
    first = Fields(prompts[0] if isinstance(prompts, list) and prompts else prompts)
    version = Fields(first.object("version"))
    return first.text("name"), version.text("commit", "id") or first.text("commit", "version")


def _feedback(fields: Fields) -> list[dict[str, Any]]:
    found = []
    for score in fields.items("feedback_scores") or ():
        said = Fields(score)
        if said.text("source") == _BY_MODEL:
            continue
        found.append(
            {
                "name": said.text("name"),
                "value": said.rest.get("value"),
                "label": said.text("category_name"),
                "comment": said.text("reason"),
                "by": said.text("created_by", "last_updated_by"),
            }
        )
    for remark in fields.items("comments") or ():
        said = Fields(remark)
        text = said.text("text")
        if text is not None:
            found.append({"name": "comment", "comment": text, "by": said.text("created_by")})
    return found


def _rest(fields: Fields, meta: Fields) -> dict[str, Any]:
    return {
        **{name: value for name, value in fields.rest.items() if name not in _DROPPED},
        **{f"metadata.{name}": value for name, value in meta.rest.items()},
    }


# ── the API


def _fetch(settings: SourceSettings, window: Window, client: Client) -> Iterator[dict[str, Any]]:
    """Traces, then spans, that began in the window."""
    project = (settings.project or "").rpartition("/")[2]
    filters = [
        {"field": "start_time", "operator": ">=", "value": stamp(window.start)},
        {"field": "start_time", "operator": "<", "value": stamp(window.end, up=True)},
    ]
    asked = {"size": str(_PAGE), "truncate": "false", "filters": orjson.dumps(filters).decode()}
    if project:
        asked["project_name"] = project
    for name in ("traces", "spans"):
        for record in _pages(client, f"{_API}/{name}", asked):
            yield {"project_name": project, **record} if project else record


def _pages(client: Client, path: str, asked: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    page = received = 0
    while True:
        page += 1
        answer = client.get(path, {**asked, "page": str(page)})
        found = listed(answer, "content")
        yield from found
        received += len(found)
        total = Fields(answer).count("total")
        if found and (total is None or received < total):
            continue
        if total is not None and received < total:
            raise SourceError(f"{path}: the API counts {total:,}, but gave {received:,}.")
        return


def _headers(settings: SourceSettings, key: str | None, _: str | None) -> dict[str, str]:
    """`project` may begin with the workspace: `acme/support-bot`."""
    workspace = (settings.project or "").rpartition("/")[0]
    found = {"Authorization": key, "Comet-Workspace": workspace or None}
    return {name: value for name, value in found.items() if value is not None}


SOURCE = replace(
    trace_source(
        "opik", TraceFormat(_place, _spans, meaning_of, _split), ABOUT, __name__, documents
    ),
    api=Api(_fetch, _headers, probe=f"{_API}/projects"),
)
