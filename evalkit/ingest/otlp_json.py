"""Spans out of OTLP/JSON, and out of the flat JSON that SDK consoles and Phoenix write. What their
attributes mean is not known here (`dialects/`)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from evalkit.ingest.contract import RecordError
from evalkit.ingest.spans import Event, Span
from evalkit.ingest.times import time_of

__all__ = [
    "Item",
    "attributes_of_span",
    "event_of_log",
    "id_of",
    "items_of",
    "span_of",
    "time_ns_of",
    "value_of",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DEPTH = 32
_MAX_ID = 128
_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{16}|[0-9a-fA-F]{32})")
#: Bytes of an id by the length of its base64 text.
_BASE64 = {12: 8, 24: 16, 22: 16, 11: 8}
_INT64_DIGITS = 20
_NANOSECONDS = range(946_684_800 * 10**9, 7_258_118_400 * 10**9)
_SPAN_KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
_DROPPED = ("droppedAttributesCount", "droppedEventsCount")


@dataclass(frozen=True, slots=True)
class Item:
    """A span, or a log record that belongs to one, before its attributes are read."""

    what: Literal["span", "log"]
    record: dict[str, Any]
    resource: Mapping[str, Any]
    trace: str
    span: str
    time_ns: int | None


def items_of(record: dict[str, Any]) -> Iterator[Item | RecordError]:
    """The spans and GenAI log records in one exported object, and what is wrong with others.

    Metrics and logs of other kinds are passed over in silence: they are no records of ours.

    Raises:
        RecordError: the object is no export at all.
    """
    if "resourceSpans" in record or "resourceLogs" in record or "resourceMetrics" in record:
        yield from _of_resources(
            record, "resourceSpans", ("scopeSpans", "instrumentationLibrarySpans")
        )
        yield from _of_resources(record, "resourceLogs", ("scopeLogs",))
        return
    inner = record.get("data", record.get("spans"))
    if isinstance(inner, list):  # a page of Phoenix's API, or a trace as one object
        for span in inner:
            yield _item_of_span(span, {})
        return
    if "context" in record or "spanId" in record or "span_id" in record:
        yield _item_of_span(record, {})
        return
    raise RecordError("neither an OTLP export nor a span")


def span_of(item: Item) -> Span:
    """The span with its attributes read. Never raises."""
    record = item.record
    context = record.get("context")
    parent = _first(record, "parentSpanId", "parent_id", "parent_span_id")
    if parent is None and isinstance(context, dict):
        parent = context.get("parent_id")
    status, message = _status_of(record)
    attributes = attributes_of_span(record.get("attributes"))
    for lost in _DROPPED:
        count = record.get(lost)
        if isinstance(count, int) and count > 0:
            attributes[lost] = count
    kind: Any = _first(record, "kind", "span_kind")
    kind = _SPAN_KINDS.get(kind) if isinstance(kind, int) else kind
    end = time_ns_of(_first(record, "endTimeUnixNano", "end_time", "end_time_unix_nano"))
    name = record.get("name")
    own = record.get("span_kind")
    if isinstance(own, str) and own.isupper() and not own.startswith("SPAN_KIND"):
        attributes.setdefault("openinference.span.kind", own)  # Phoenix's own column
    return Span(
        trace=item.trace,
        id=item.span,
        parent=id_of(parent),
        name=name if isinstance(name, str) else "",
        start_ns=item.time_ns or 0,
        end_ns=end,
        kind=kind.rpartition("SPAN_KIND_")[2].rpartition(".")[2] if isinstance(kind, str) else None,
        attributes=attributes,
        events=tuple(_events_of(record.get("events"))),
        status=status,
        message=message,
        resource=item.resource,
    )


def event_of_log(item: Item) -> Event:
    """A log record as an event of its span; the fields of its body stand beside its attributes."""
    record = item.record
    attributes = attributes_of_span(record.get("attributes"))
    body = value_of(record.get("body"))
    if isinstance(body, dict):
        attributes = body | attributes
    elif body is not None:
        attributes["body"] = body
    return Event(_event_name(record, attributes), item.time_ns, attributes)


def attributes_of_span(value: object) -> dict[str, Any]:
    """Attributes as a dict: from OTLP's list of keys and typed values, or from a plain object."""
    if isinstance(value, dict):
        return {str(name): one for name, one in value.items() if one is not None}
    found: dict[str, Any] = {}
    for pair in value if isinstance(value, list) else ():
        if isinstance(pair, dict) and isinstance(pair.get("key"), str):
            one = value_of(pair.get("value"))
            if one is not None:
                found[pair["key"]] = one
    return found


def value_of(value: object, depth: int = _MAX_DEPTH) -> Any:
    """One typed value of OTLP as JSON; None for a missing or an unreadable one.

    >>> value_of({"arrayValue": {"values": [{"intValue": "7"}, {"stringValue": "a"}]}})
    [7, 'a']
    """
    if not isinstance(value, dict):
        return value if isinstance(value, str | int | float | bool) else None
    if depth == 0:
        return None
    if isinstance(text := value.get("stringValue"), str):
        return text
    if "intValue" in value:
        return _integer(value["intValue"])
    if "doubleValue" in value:
        return _double(value["doubleValue"])
    if isinstance(flag := value.get("boolValue"), bool):
        return flag
    if "arrayValue" in value:
        return [value_of(one, depth - 1) for one in _values(value["arrayValue"])]
    if "kvlistValue" in value:
        return {
            pair["key"]: value_of(pair.get("value"), depth - 1)
            for pair in _values(value["kvlistValue"])
            if isinstance(pair, dict) and isinstance(pair.get("key"), str)
        }
    if isinstance(data := value.get("bytesValue"), str):
        return _bytes(data)
    return None


def id_of(value: object) -> str | None:
    """An id as lower-case hexadecimal digits, also from base64; another id as it is.

    >>> id_of("W47/95gDgQPSabYzgT/GDA=="), id_of("0x00F067AA0BA902B7"), id_of("0000000000000000")
    ('5b8efff798038103d269b633813fc60c', '00f067aa0ba902b7', None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    match = _HEX.fullmatch(text)
    if match is not None:
        digits = match[1].lower()
        return digits if digits.strip("0") else None
    if len(text) in _BASE64:
        try:
            padded = text + "=" * (-len(text) % 4)
            data = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if len(data) == _BASE64[len(text)]:
            return data.hex() if any(data) else None
    if len(text) > _MAX_ID:  # two long ids must not become one
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    return text or None


def time_ns_of(value: object) -> int | None:
    """A Unix time in nanoseconds, exact where it was written so; else any time that logs write."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= _INT64_DIGITS:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _NANOSECONDS:
        return value
    moment = time_of(value)
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _of_resources(
    record: dict[str, Any], name: str, scopes: tuple[str, ...]
) -> Iterator[Item | RecordError]:
    what: Literal["span", "log"] = "span" if name == "resourceSpans" else "log"
    resources = record.get(name)
    if resources is None:
        return
    if not isinstance(resources, list):
        yield RecordError(f"{name}: is no list")
        return
    for place, one in enumerate(resources):
        if not isinstance(one, dict):
            yield RecordError(f"{name}[{place}]: is no object")
            continue
        holder = one.get("resource")
        resource = attributes_of_span(holder.get("attributes")) if isinstance(holder, dict) else {}
        for scope in scopes:
            groups = one.get(scope)
            if groups is not None and not isinstance(groups, list):
                yield RecordError(f"{name}[{place}].{scope}: is no list")
                continue
            for at, group in enumerate(groups or ()):
                where = f"{name}[{place}].{scope}[{at}]"
                yield from _of_group(group, what, resource, where)


def _of_group(
    group: object, what: Literal["span", "log"], resource: Mapping[str, Any], where: str
) -> Iterator[Item | RecordError]:
    if not isinstance(group, dict):
        yield RecordError(f"{where}: is no object")
        return
    key = "spans" if what == "span" else "logRecords"
    records = group.get(key)
    if records is not None and not isinstance(records, list):
        yield RecordError(f"{where}.{key}: is no list")
        return
    for record in records or ():
        if what == "span":
            yield _item_of_span(record, resource)
        elif (item := _item_of_log(record, resource)) is not None:
            yield item


def _item_of_span(record: object, resource: Mapping[str, Any]) -> Item | RecordError:
    if not isinstance(record, dict):
        return RecordError("a span that is no object")
    context = record.get("context")
    ids = context if isinstance(context, dict) else record
    given = _first(record, "startTimeUnixNano", "start_time", "start_time_unix_nano")
    start = time_ns_of(given)
    if start is None:
        return RecordError(
            "span without a start" if given is None else "span: its start is no time"
        )
    own = record.get("resource")
    if not resource and isinstance(own, dict):
        resource = attributes_of_span(own.get("attributes"))
    near = _EPOCH + timedelta(microseconds=start // 1000)
    span = id_of(_first(ids, "spanId", "span_id"))
    if span is None:
        try:
            span = hashlib.sha256(orjson.dumps(record)).hexdigest()[:32]
        except TypeError:
            return RecordError("span: nested too deeply", near)
    trace = id_of(_first(ids, "traceId", "trace_id")) or ""
    return Item("span", record, resource, trace, span, start)


def _item_of_log(record: object, resource: Mapping[str, Any]) -> Item | None:
    if not isinstance(record, dict):
        return None
    span, trace = id_of(record.get("spanId")), id_of(record.get("traceId"))
    name = _event_name(record, {})
    if not name:
        name = _event_name({}, attributes_of_span(record.get("attributes")))
    if span is None or trace is None or not name.startswith("gen_ai."):
        return None
    time_ns = time_ns_of(record.get("timeUnixNano")) or time_ns_of(
        record.get("observedTimeUnixNano")
    )
    return Item("log", record, resource, trace, span, time_ns)


def _events_of(value: object) -> Iterator[Event]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            time_ns = time_ns_of(_first(one, "timeUnixNano", "time_unix_nano", "timestamp", "time"))
            attributes = attributes_of_span(one.get("attributes"))
            yield Event(_event_name(one, attributes), time_ns, attributes)


def _event_name(record: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    for name in (record.get("eventName"), record.get("name"), attributes.get("event.name")):
        if isinstance(name, str) and name:
            return name
    return ""


def _status_of(record: dict[str, Any]) -> tuple[Literal["ok", "error"] | None, str | None]:
    status = record.get("status")
    held = status if isinstance(status, dict) else {}
    code = _first(held, "code", "status_code")
    if code is None:
        code = status if isinstance(status, str | int) else record.get("status_code")
    message = _first(held, "message", "description")
    message = record.get("status_message") if message is None else message
    text = str(code).rpartition("STATUS_CODE_")[2].upper() if isinstance(code, str | int) else ""
    found: Literal["ok", "error"] | None = None
    if text in ("1", "OK"):
        found = "ok"
    elif text in ("2", "ERROR"):
        found = "error"
    return found, message if isinstance(message, str) and message.strip() else None


def _first(record: Mapping[str, Any], *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _values(value: object) -> list[Any]:
    inner = value.get("values") if isinstance(value, dict) else value
    return inner if isinstance(inner, list) else []


def _integer(value: object) -> int | None:
    if isinstance(value, str):
        try:
            value = int(value) if len(value) <= _INT64_DIGITS else None
        except ValueError:
            return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) <= value < 2**63 else None


def _double(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if value - value == 0 else None


def _bytes(text: str) -> str:
    """Bytes that are text become text; others stay base64."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return text
