"""MLflow traces, an object a line: as `trace.to_json()` writes them, as the REST API gives them, as rows
of `mlflow.search_traces()`, or the bare spans of a trace's artifact."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from evalkit.config import SourceSettings
from evalkit.errors import ConfigError, SourceError
from evalkit.ingest.contract import Api, Client, RecordError, Window
from evalkit.ingest.dialects.messages import loaded
from evalkit.ingest.dialects.mlflow import FIRST, INFO, OWN, SAID, decoded, meaning_of, pairs_of
from evalkit.ingest.documents import documents
from evalkit.ingest.fields import Fields, decimal_of
from evalkit.ingest.otlp_json import attributes_of_span, id_of, time_ns_of
from evalkit.ingest.paging import by_token, field_of
from evalkit.ingest.records import time_in
from evalkit.ingest.spans import Span
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE"]

ABOUT = """MLflow traces (schema 3, also 2): `{"info": {...}, "data": {"spans": [...]}}`, the REST
API's `{"trace_info", "spans"}`, or rows of `mlflow.search_traces()`.

All spans of a trace are folded together below it; a row is a question with its answer, its chunks
and its stages. Session, user, prompts and feedback are the trace's. A trace without spans is a row
of its previews, marked `truncated` where these were cut. Tokens and costs of the trace are sums and
are not added. Traces of MLflow's own scorers are left out, and so are verdicts of judges."""

_IDS = ("trace_id", "request_id")
_TIMES = ("request_time", "timestamp_ms", "timestamp")
_STARTS = ("start_time_unix_nano", "start_time")
_ENDS = ("end_time_unix_nano", "end_time")
_CHUNK = "mlflow.chunk.item"
#: The previews of traces are cut at these lengths, the mark included.
_CAPS = frozenset({1000, 10_000})
_MARK = "..."
_TYPES = {
    "string_value": "stringValue", "int_value": "intValue", "double_value": "doubleValue",
    "bool_value": "boolValue", "bytes_value": "bytesValue", "array_value": "arrayValue",
    "kvlist_value": "kvlistValue",
}  # fmt: skip
_MAX_DEPTH = 64
_API = "/api/3.0/mlflow/traces"
_EXPERIMENTS = "/api/2.0/mlflow/experiments"
_PAGE = 100
_FAILED = frozenset({"ERROR", "STATUS_CODE_ERROR", "2"})


def _split(record: dict[str, Any]) -> Iterator[dict[str, Any] | RecordError]:
    info, spans = _taken_apart(record)
    trace = None if info is None else Fields(info).text(*_IDS)
    if info is None and spans is None:
        if "span_id" not in record and "context" not in record:
            raise RecordError("neither trace nor span")
        spans = [record]
    if info is not None:
        yield {"what": "info", "trace": trace, "record": info}
    if not isinstance(spans, list):
        if spans is not None:
            yield RecordError("spans: is no list")
        return
    for place, span in enumerate(spans):
        if isinstance(span, dict):
            yield {"what": "span", "trace": trace, "record": span}
        else:
            yield RecordError(f"spans[{place}]: is no object")


def _taken_apart(record: dict[str, Any]) -> tuple[dict[str, Any] | None, Any]:
    """What a record says about its trace, and the trace's spans; None where it says nothing."""
    for name in ("trace", "data"):
        inner, _ = loaded(record.get(name))
        if isinstance(inner, dict) and ("info" in inner or "trace_info" in inner):
            return _taken_apart(inner)
    info, _ = loaded(record.get("info", record.get("trace_info")))
    data, _ = loaded(record.get("data"))
    spans = record.get("spans", data.get("spans") if isinstance(data, dict) else None)
    spans, _ = loaded(spans)
    if isinstance(info, dict):
        return info, spans
    if any(name in record for name in _TIMES):
        return {name: value for name, value in record.items() if name != "spans"}, spans
    return None, spans


def _place(found: dict[str, Any]) -> Place:
    record, fields = found["record"], Fields(found["record"])
    names = _TIMES if found["what"] == "info" else _STARTS
    time = time_in(record, *names)
    if found["what"] == "info":
        trace = found["trace"]
        if trace is None:
            raise RecordError("trace_id: missing", time)
        return Place(trace, time)
    if _span_id(fields) is None:
        raise RecordError("span_id: missing", time)
    return Place(_trace_of(found), time)


def _trace_of(found: dict[str, Any]) -> str:
    """The trace of a span: as the record around it says, else as it says itself."""
    if found["trace"] is not None:
        return str(found["trace"])
    record = found["record"]
    own = decoded(_attributes(record).get("mlflow.traceRequestId"))
    if isinstance(own, str) and own:
        return own
    context = Fields(record.get("context"))
    told = Fields(record).text("trace_id") or context.text("trace_id") or ""
    id_ = id_of(told.removeprefix("tr-")) or ""
    return f"tr-{id_}" if id_ else _span_id(Fields(record)) or ""


def _span_id(fields: Fields) -> str | None:
    return id_of(fields.rest.get("span_id")) or id_of(
        Fields(fields.rest.get("context")).rest.get("span_id")
    )


def _spans(trace: str, records: list[dict[str, Any]]) -> list[Updated]:
    """The spans of a trace below one that stands for the trace and bears what its info says."""
    info: dict[str, Any] | None = None
    spans: list[Span] = []
    for found in records:
        if found["what"] == "info":
            info = found["record"]
        else:
            spans.append(_span_of(trace, found["record"]))
    if info is None:
        return [Updated(span, None) for span in spans]
    known = {span.id for span in spans}
    tops = {span.id: span for span in spans if span.parent not in known}
    root, notes = _root_of(trace, info, list(tops.values()))
    tags = {
        f"tag.{name}": value
        for name, value in pairs_of(info.get("tags")).items()
        if not name.startswith(OWN)
    }
    below = [
        replace(
            span,
            parent=trace if span.id in tops else span.parent,
            attributes={**tags, **span.attributes, **notes.get(span.id, {})},
        )
        for span in spans
    ]
    return [Updated(one, None) for one in (root, *below)]


def _root_of(
    trace: str, info: dict[str, Any], tops: list[Span]
) -> tuple[Span, dict[str, dict[str, Any]]]:
    """The span that stands for the trace, and what the info says about others."""
    fields = Fields(info)
    start = time_ns_of(next((info[name] for name in _TIMES if info.get(name) is not None), None))
    took = _duration_ns(info)
    ends = [span.end_ns for span in tops if span.end_ns is not None]
    end = max(ends, default=None) if took is None or start is None else start + took
    said: dict[str, list[Any]] = {}
    assessments, _ = loaded(info.get("assessments"))
    for one in assessments if isinstance(assessments, list) else ():
        about = id_of(Fields(one).rest.get("span_id")) or trace
        said.setdefault(about, []).append(one)
    own = said.pop(trace, [])
    given, got, cut = _texts(info, tops)
    failed = str(fields.text("state", "status") or "").upper() == "ERROR"
    attributes = {
        INFO: {**info, "assessments": own, "bare": not tops, "cut": cut},
        "mlflow.spanInputs": given,
        "mlflow.spanOutputs": got,
    }
    root = Span(
        trace=trace,
        id=trace,
        parent=None,
        name=str(pairs_of(info.get("tags")).get("mlflow.traceName") or ""),
        start_ns=min([start or 0, *(span.start_ns for span in tops if span.start_ns)]),
        end_ns=end,
        attributes=attributes,
        status="error" if failed else "ok",
    )
    return root, {span: {SAID: notes} for span, notes in said.items()}


def _texts(info: dict[str, Any], tops: list[Span]) -> tuple[Any, Any, bool]:
    """What the trace took and gave, and whether that was cut: from its only outermost span, else
    from the info. Where there are spans, a cut text is none."""
    if len(tops) == 1:
        own = tops[0].attributes
        return own.get("mlflow.spanInputs"), own.get("mlflow.spanOutputs"), False
    found: list[Any] = []
    cut = False
    for names in (("request", "request_preview"), ("response", "response_preview")):
        value = next((info[name] for name in names if info.get(name) is not None), None)
        is_cut = isinstance(value, str) and len(value) in _CAPS and value.endswith(_MARK)
        cut = cut or is_cut
        found.append(None if is_cut and tops else value)
    return found[0], found[1], cut and not tops


def _span_of(trace: str, record: dict[str, Any]) -> Span:
    fields = Fields(record)
    status = record.get("status")
    inner = Fields(status if isinstance(status, dict) else {"code": status})
    code = inner.text("code") or fields.text("status_code") or ""
    message = inner.text("message") or fields.text("status_message")
    start = next((time_ns_of(record[n]) for n in _STARTS if time_ns_of(record.get(n))), None) or 0
    end = next((time_ns_of(record[n]) for n in _ENDS if time_ns_of(record.get(n))), None)
    first, kind = _events(record.get("events"), start)
    failed = code.upper() in _FAILED
    attributes = _attributes(record)
    if first is not None:
        attributes[FIRST] = first
    parent = record.get("parent_span_id", record.get("parent_id"))
    return Span(
        trace=trace,
        id=_span_id(fields) or "",
        parent=id_of(parent),
        name=fields.text("name") or "",
        start_ns=start,
        end_ns=end,
        attributes=attributes,
        status="error" if failed else "ok",
        message=(kind or message) if failed else None,
    )


def _events(value: object, start: int) -> tuple[float | None, str | None]:
    """How long the first piece of a streamed answer took in ms, and what exception was thrown."""
    times: list[int] = []
    kind: str | None = None
    for event in value if isinstance(value, list) else ():
        fields = Fields(event)
        name = fields.text("name") or ""
        at = time_ns_of(fields.rest.get("time_unix_nano", fields.rest.get("timestamp")))
        if name.startswith(_CHUNK) and at is not None and at >= start:
            times.append(at)
        elif name == "exception":
            told = Fields(_attributes(fields.rest))
            kind = told.text("exception.type") or kind
    return ((min(times) - start) / 1e6 if times else None), kind


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    value = record.get("attributes")
    if isinstance(value, list):  # OTLP's, in the names of its protocol buffers
        value = _camel(value)
    return attributes_of_span(value)


def _camel(value: object, depth: int = _MAX_DEPTH) -> Any:
    """Typed values with the names that OTLP's JSON has."""
    if depth == 0:
        return None
    if isinstance(value, list):
        return [_camel(one, depth - 1) for one in value]
    if isinstance(value, dict):
        return {_TYPES.get(name, name): _camel(one, depth - 1) for name, one in value.items()}
    return value


def _duration_ns(info: Mapping[str, Any]) -> int | None:
    for name in ("execution_duration_ms", "execution_time_ms"):
        ms = decimal_of(info.get(name))
        if ms is not None and ms >= 0:
            return int(ms * 1e6)
    text = info.get("execution_duration")
    seconds = decimal_of(text.removesuffix("s") if isinstance(text, str) else None)
    if seconds is None:
        return None
    return int(seconds * 1e9) if seconds >= 0 else None


# ── the API


def _fetch(settings: SourceSettings, window: Window, client: Client) -> Iterator[dict[str, Any]]:
    """Traces that began in the window: a search for them, and a request for the spans of each."""
    experiment = _experiment(settings, client)
    start, end = (int(time.timestamp() * 1000) for time in (window.start, window.end))

    def ask(token: str | None) -> Any:
        body: dict[str, Any] = {
            "locations": [
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
            ],
            "filter": f"attributes.timestamp_ms >= {start} AND attributes.timestamp_ms <= {end}",
            "order_by": ["timestamp_ms ASC"],
            "max_results": _PAGE,
        }
        answer = client.post(
            f"{_API}/search", body if token is None else {**body, "page_token": token}
        )
        return {"traces": []} if answer == {} else answer  # an empty list is not written

    for info in by_token(ask, ("traces",), ("next_page_token",)):
        trace = Fields(info).text(*_IDS)
        if trace is None:
            yield {"trace_info": info}  # a reject that says what is missing
            continue
        answer = client.get(f"{_API}/get", {"trace_id": trace, "allow_partial": "true"})
        found = field_of(answer, "trace")
        if not isinstance(found, dict):
            raise SourceError(f"the API answered without the trace {trace[:64]!r}.")
        yield {"trace_info": info, **found}


def _experiment(settings: SourceSettings, client: Client) -> str:
    """The id of the experiment that the configuration names."""
    name = settings.project
    if name is None:
        raise ConfigError("mlflow: no experiment. Name one with project, by its name or id.")
    if name.isdecimal():
        return name
    answer = client.get(f"{_EXPERIMENTS}/get-by-name", {"experiment_name": name})
    id_ = field_of(answer, "experiment", "experiment_id")
    if not isinstance(id_, str):
        raise SourceError(f"the API answered without the experiment {name!r}.")
    return id_


def _headers(_: SourceSettings, key: str | None, secret: str | None) -> dict[str, str]:
    """A token, or a user with a password."""
    if key is None:
        return {}
    if secret is None:
        return {"Authorization": f"Bearer {key}"}
    pair = base64.b64encode(f"{key}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


SOURCE = replace(
    trace_source(
        "mlflow", TraceFormat(_place, _spans, meaning_of, _split), ABOUT, __name__, documents
    ),
    api=Api(_fetch, _headers, probe=f"{_EXPERIMENTS}/search?max_results=1"),
)
