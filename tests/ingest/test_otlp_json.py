"""OTLP/JSON: typed values, ids and times in every way that exporters write them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.contract import RecordError
from evalkit.ingest.otlp_json import (
    Item,
    attributes_of_span,
    event_of_log,
    id_of,
    items_of,
    span_of,
    time_ns_of,
    value_of,
)
from evalkit.ingest.spans import Span
from tests.ingest.spans import START, TRACE, call, export, typed, written

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def items(record: dict[str, Any]) -> list[Item]:
    found = list(items_of(record))
    assert all(isinstance(one, Item) for one in found)
    return [one for one in found if isinstance(one, Item)]


def one(record: dict[str, Any]) -> Span:
    (item,) = items(record)
    return span_of(item)


@settings(deadline=None)
@given(VALUES)
def test_every_type_of_value_comes_back(value: Any) -> None:
    assert value_of(typed(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": 7}, 7),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": "9223372036854775808"}, None),
        ({"intValue": "9" * 5000}, None),
        ({"intValue": 7.0}, 7),
        ({"intValue": "seven"}, None),
        ({"doubleValue": "NaN"}, None),
        ({"doubleValue": "Infinity"}, None),
        ({"doubleValue": "0.5"}, 0.5),
        ({"doubleValue": 1}, 1),
        ({"bytesValue": base64.b64encode("é".encode()).decode()}, "é"),
        ({"bytesValue": "/w=="}, "/w=="),
        ({"bytesValue": "?"}, "?"),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [{}]}}, [None]),
        ({"kvlistValue": {"values": [{"key": "a"}, {"key": 1}, 3]}}, {"a": None}),
        ({}, None),
        ({"newValue": 1}, None),
        ("bare", "bare"),
        ([1], None),
        (None, None),
    ],
)
def test_values_that_exporters_get_wrong(value: object, expected: object) -> None:
    assert value_of(value) == expected


def test_values_nested_without_end_are_cut() -> None:
    value: dict[str, Any] = {"intValue": "1"}
    for _ in range(5000):
        value = {"arrayValue": {"values": [value]}}
    assert value_of(value) is not None


def test_attributes_as_pairs_and_as_an_object() -> None:
    pairs = [{"key": "a", "value": {"intValue": "1"}}, {"key": "b", "value": {}}, {"key": 1}, 5]
    assert attributes_of_span(pairs) == {"a": 1}
    assert attributes_of_span({"a": 1, "b": None}) == {"a": 1}
    assert attributes_of_span("a") == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TRACE, TRACE),
        (TRACE.upper(), TRACE),
        ("0x00f067aa0ba902b7", "00f067aa0ba902b7"),
        (base64.b64encode(bytes.fromhex(TRACE)).decode(), TRACE),
        (base64.b64encode(bytes.fromhex("00f067aa0ba902b7")).decode(), "00f067aa0ba902b7"),
        (base64.b64encode(bytes.fromhex("00f067aa0ba902b7")).decode().rstrip("="),
         "00f067aa0ba902b7"),
        (base64.urlsafe_b64encode(b"\xff" * 16).decode(), "ff" * 16),
        (base64.b64encode(bytes(16)).decode(), None),
        ("0" * 32, None),
        ("", None),
        (" ", None),
        ("tr-7", "tr-7"),
        ("support-chat", "support-chat"),
        (7, "7"),
        (True, None),
        (None, None),
        (["a"], None),
    ],
)  # fmt: skip
def test_ids(value: object, expected: str | None) -> None:
    assert id_of(value) == expected


def test_two_long_ids_stay_two() -> None:
    first, second = id_of("a" * 500 + "b"), id_of("a" * 500 + "c")
    assert first != second
    assert first is not None
    assert len(first) == 32


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (str(START + 1), START + 1),
        (START + 1, START + 1),
        (START // 10**9, START),
        ("2026-11-22T02:14:05+00:00", START),
        ("2026-11-22T03:14:05.000001+01:00", START + 1000),
        ("0", None),
        (0, None),
        ("9" * 400, None),
        (True, None),
        ({}, None),
        (float("inf"), None),
        ("²", None),
    ],
)
def test_times_are_exact_nanoseconds(value: object, expected: int | None) -> None:
    assert time_ns_of(value) == expected


def test_a_span_of_a_collector() -> None:
    record = written(call("00f067aa0ba902b7", "a1b2c3d4e5f60718", name="chat m", status="error"))
    record["events"] = [{"name": "exception", "timeUnixNano": str(START),
                         "attributes": [{"key": "k", "value": {"boolValue": True}}]}]  # fmt: skip
    record["droppedAttributesCount"] = 3
    record["status"]["message"] = "no"
    span = one(export([record]))
    assert (span.trace, span.id, span.parent) == (TRACE, "00f067aa0ba902b7", "a1b2c3d4e5f60718")
    assert (span.start_ns, span.duration_ms, span.kind) == (START, 100, "CLIENT")
    assert (span.status, span.message) == ("error", "no")
    assert span.attributes["gen_ai.request.model"] == "m"
    assert span.attributes["droppedAttributesCount"] == 3
    assert span.events[0].attributes == {"k": True}


@pytest.mark.parametrize(
    ("status", "expected"),
    [({"code": 1}, "ok"), ({"code": "STATUS_CODE_ERROR"}, "error"), ({"code": 0}, None),
     ({"code": "STATUS_CODE_UNSET"}, None), ({}, None), ([], None), (None, None),
     ("OK", "ok"), ({"status_code": "ERROR"}, "error")],
)  # fmt: skip
def test_statuses_as_numbers_and_names(status: object, expected: str | None) -> None:
    assert one(export([written(call("a")) | {"status": status}])).status == expected


def test_a_span_of_an_sdk_console() -> None:
    record = {
        "name": "chat",
        "context": {"trace_id": "0x" + TRACE, "span_id": "0x00f067aa0ba902b7"},
        "kind": "SpanKind.CLIENT",
        "parent_id": "0xa1b2c3d4e5f60718",
        "start_time": "2026-11-22T02:14:05Z",
        "end_time": "2026-11-22T02:14:06Z",
        "status": {"status_code": "ERROR", "description": "no"},
        "attributes": {"k": 1},
        "events": [{"name": "e", "timestamp": "2026-11-22T02:14:05Z", "attributes": {}}],
        "resource": {"attributes": {"service.name": "bot"}},
    }
    span = one(record)
    assert (span.trace, span.id, span.parent) == (TRACE, "00f067aa0ba902b7", "a1b2c3d4e5f60718")
    assert (span.kind, span.status, span.message) == ("CLIENT", "error", "no")
    assert span.resource == {"service.name": "bot"}
    assert span.events[0].time_ns == START


def test_a_page_of_spans() -> None:
    assert len(items({"data": [written(call("a")), written(call("b"))], "next_cursor": None})) == 2


def test_old_names_of_the_scope() -> None:
    record = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [written(call("a"))]}]}]}
    assert one(record).id == "a"


def test_metrics_and_other_logs_are_passed_over() -> None:
    log = {"traceId": TRACE, "spanId": "a", "eventName": "http.request"}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log, 5, {}]}]}]}
    assert items(logs) == []
    assert items({"resourceMetrics": [{}]}) == []


def test_a_log_becomes_an_event_with_the_fields_of_its_body() -> None:
    log = {"traceId": TRACE, "spanId": "00f067aa0ba902b7", "observedTimeUnixNano": str(START),
           "attributes": [{"key": "event.name", "value": {"stringValue": "gen_ai.choice"}}],
           "body": typed({"index": 0, "message": {"content": "Hi"}})}  # fmt: skip
    (item,) = items({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]})
    event = event_of_log(item)
    assert (event.name, event.time_ns) == ("gen_ai.choice", START)
    assert event.attributes["message"] == {"content": "Hi"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (export([written(call("a")) | {"startTimeUnixNano": None}]), "span without a start"),
        (export([written(call("a")) | {"startTimeUnixNano": "x"}]), "span: its start is no time"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [5]}]}]}, "a span that is no object"),
        ({"resourceSpans": {}}, "resourceSpans: is no list"),
        ({"resourceSpans": [1]}, "resourceSpans[0]: is no object"),
        ({"resourceSpans": [{"scopeSpans": 1}]}, "resourceSpans[0].scopeSpans: is no list"),
        ({"resourceSpans": [{"scopeSpans": [1]}]}, "resourceSpans[0].scopeSpans[0]: is no object"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": 1}]}]},
         "resourceSpans[0].scopeSpans[0].spans: is no list"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_is(record: dict[str, Any], reason: str) -> None:
    (error,) = items_of(record)
    assert isinstance(error, RecordError)
    assert error.reason == reason


def test_an_object_that_is_no_export() -> None:
    with pytest.raises(RecordError, match="neither an OTLP export nor a span"):
        list(items_of({"event": "rotate"}))


def test_a_span_without_an_id_has_that_of_its_content() -> None:
    record = written(call("a")) | {"spanId": "", "traceId": "0" * 32}
    (item,), (again,) = items(export([record])), items(export([record]))
    assert item.span == again.span
    assert (len(item.span), item.trace) == (32, "")
