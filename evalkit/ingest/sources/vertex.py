"""Vertex AI request-response logging, exported from BigQuery: a call a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.bodies import asked_of, body_of, said_of
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.exchanges import carried, rows_of_call
from evalkit.ingest.fields import Fields, attributes_of, decimal_of
from evalkit.ingest.linewise import line_source

__all__ = ["SOURCE", "parse"]

_REQUESTS = ("full_request", "request_payload")
_RESPONSES = ("full_response", "response_payload")
_LATENCY = ("request_latency", "requestLatency", "latency_ms")
_LONGEST_MS = 24 * 3600 * 1000


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """Vertex AI request-response logs as BigQuery exports them, a JSON object a line or Parquet:
    `{"logging_time", "request_id", "model", "full_request", "full_response", "metadata", ...}`.

    `logging_time` is when the answer was given back: the start is that minus `request_latency`.
    Contexts are the chunks of the answer's grounding, else what tools gave back. Streamed answers
    may be logged as lists of chunks. Calls of partners' models and of endpoints are read from
    `request_payload` and `response_payload`. Labels of the request name session, user and prompt.
    """
    top = Fields(record)
    ended = top.time("logging_time")
    if ended is None:
        found = top.rest.get("logging_time") is not None
        raise RecordError("logging_time: is no time" if found else "logging_time: missing")
    meta = Fields(top.object("metadata"))
    latency = _latency(meta)
    asked = asked_of(_body(top, _REQUESTS))
    got = _body(top, _RESPONSES)
    if not asked.messages and got is None:
        raise RecordError("neither request nor response", ended)
    said = said_of(got, asked)
    labels = Fields(asked.rest.object("labels"))
    log = Fields(top.object("otel_log"))
    path = top.text("model") or ""
    publisher = path.partition("publishers/")[2].partition("/")[0]
    name = path.rpartition("/")[2] or None
    request_id = top.text("request_id")
    around: Row = {
        "started_at": ended if latency is None else ended - timedelta(milliseconds=latency),
        "updated_at": ended,
        "trace_id": log.text("traceId", "trace_id"),
        "provider": publisher or None,
        "model": said.model or name,
        "requested_model": name,
        "latency_ms": latency,
        **carried(labels),
    }
    attributes = {
        **attributes_of(labels.rest, "label."),
        **attributes_of(meta.rest, "metadata."),
        **attributes_of(top.rest),
    }
    if latency is None:
        attributes["started_at"] = "when the answer was logged: no latency is known"
    if attributes.get("model_version") == "default":
        del attributes["model_version"]
    source_id = request_id or said.response_id
    return rows_of_call(asked, said, around, attributes, settings.question_pattern, source_id)


def _body(top: Fields, names: tuple[str, ...]) -> Any:
    """The first of several bodies that holds anything; all are taken out."""
    found: Any = None
    for name in names:
        body = body_of(top.rest.pop(name, None))
        if found is None and body not in (None, "", [], {}):
            found = body
    return found


def _latency(meta: Fields) -> float | None:
    """Milliseconds."""
    for name in _LATENCY:
        value = decimal_of(meta.rest.get(name))
        if value is not None and 0 <= value < _LONGEST_MS:
            del meta.rest[name]
            return value
    return None


SOURCE = line_source("vertex", parse, __name__)
