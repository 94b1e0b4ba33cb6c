"""Langfuse: observations (current and legacy), traces and scores, one JSON object a line, from its
exports with their manifests or from its API."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Api, Client, RecordError, Window
from evalkit.ingest.dialects.messages import answers_of, chat_of, documents_of, loaded, plain_text
from evalkit.ingest.fields import Fields, decimal_of
from evalkit.ingest.manifests import checked
from evalkit.ingest.otlp_json import time_ns_of
from evalkit.ingest.paging import by_token, stamp
from evalkit.ingest.records import time_in
from evalkit.ingest.spans import Answer, Kind, Meaning, Span, Usage
from evalkit.ingest.times import time_of
from evalkit.ingest.tracewise import Place, TraceFormat, Updated, trace_source

__all__ = ["ABOUT", "SOURCE", "meaning_of", "place", "spans", "usage_of"]

ABOUT = """Langfuse's blob storage export as JSON lines: `observations_v2` (or the legacy
`observations` and `traces`) and `scores`, with their manifests.

All observations of a trace are folded together, in whichever file they stand; a row is a question
with its answer, its chunks and its stages. Scores given by people or by the application become
feedback. Of an observation that was exported again the one with the newest `updated_at` stands.
Evaluators and environments that begin with `langfuse-` are left out. The row counts of manifests
are checked."""

_KINDS: Mapping[str, Kind] = {
    "GENERATION": "llm",
    "EMBEDDING": "embedding",
    "RETRIEVER": "retrieval",
    "TOOL": "tool",
    "AGENT": "agent",
    "CHAIN": "chain",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluator",
    "SPAN": "other",
    "EVENT": "other",
}
#: Observations and traces of Langfuse's own evaluations.
_OWN = "langfuse-"
_TRACE = "trace"
#: Names that only the API uses.
_OF_THE_API = ("traceId", "startTime", "sessionId", "subject", "dataType")
_RETRIEVAL = re.compile(r"retriev|search|vector", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
#: What a trace tells of each of its observations, where these do not themselves.
_SHARED = ("user_id", "session_id", "environment", "release", "tags", "version")
_ANSWER_KEYS = frozenset(
    {"role", "content", "message", "choices", "messages", "text", "parts", "tool_calls", "refusal"}
)
_API = "/api/public"
_PAGE = 500
_GROUPS = "core,basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
#: More is not given.
_PAGE_OF_SCORES = 100
_GROUPS_OF_SCORES = "details,subject,annotation"


def place(record: dict[str, Any]) -> Place | None:
    """To which trace an observation, a trace or a score belongs."""
    record = _named(record)
    fields = Fields(record)
    kind = _kind_of(record)
    if kind is None:
        raise RecordError("neither observation, trace nor score")
    if kind == "score":
        trace = fields.text("trace_id")
        return None if trace is None else Place(trace, time_of(record.get("timestamp")))
    time = time_in(record, "start_time" if kind == "observation" else "timestamp")
    id_ = fields.text("id")
    if id_ is None:
        raise RecordError("id: missing", time)
    trace = id_ if kind == _TRACE else fields.text("trace_id") or id_
    return Place(trace, time)


def spans(trace: str, records: list[dict[str, Any]]) -> list[Updated]:
    """The observations of one trace as spans; what its trace and its scores say stands in them."""
    observations: list[dict[str, Any]] = []
    scores: dict[str, dict[str, Any]] = {}
    about: dict[str, Any] = {}
    for record in (_named(record) for given in records for record in _unfolded(given)):
        kind = _kind_of(record)
        if kind == "observation":
            if Fields(record).text("id") is not None:
                observations.append(record)
        elif kind == "score":
            key = Fields(record).text("id") or f"\x00{len(scores)}"
            if key not in scores or _changed(record) >= _changed(scores[key]):
                scores[key] = record
        elif kind == _TRACE and (not about or _changed(record) >= _changed(about)):
            about = record
    shared = {name: about[name] for name in _SHARED if about.get(name) is not None}
    if about.get("name") is not None:
        shared["trace_name"] = about["name"]
    found = [
        _updated(trace, {**shared, **{k: v for k, v in one.items() if v is not None}})
        for one in observations
    ]
    known = {one.span.id for one in found}
    roots = [one.span for one in found if one.span.parent not in known]
    first = min(roots, key=lambda span: span.order).id if roots else None
    if found and (about.get("input") is not None or about.get("output") is not None):
        first = f"{_TRACE}/{trace}"
        found = [_below(one, first) if one.span.parent not in known else one for one in found]
        found.append(_root(trace, first, about, found))
    return _with_scores(found, scores.values(), known, first)


def _below(found: Updated, parent: str) -> Updated:
    return found._replace(span=replace(found.span, parent=parent))


def meaning_of(span: Span) -> Meaning:
    """What an observation says."""
    fields = Fields(span.attributes)
    kind = _KINDS.get(str(fields.rest.pop("type", "")).upper(), "other")
    environment = fields.text("environment")
    given, cut = loaded(fields.rest.pop("input", None))
    raw = fields.rest.pop("output", None)
    got, cut_out = loaded(raw)
    documents = None
    if kind == "retrieval" or (kind in ("other", "tool") and _RETRIEVAL.search(span.name)):
        documents = documents_of(got)
        if kind == "other" and documents is not None:
            kind = "retrieval"
    if environment is not None and environment.startswith(_OWN):
        kind = "evaluator"
    usage = usage_of(fields.object("usage_details", "usage") or {})
    first = time_ns_of(fields.rest.pop("completion_start_time", None))
    seconds = fields.number("time_to_first_token")
    ttft_ms = None if seconds is None else seconds * 1000
    if first is not None and first >= span.start_ns:
        ttft_ms = (first - span.start_ns) / 1e6
    for name in ("latency", "parent_observation_id", "is_root_observation", "bookmarked", "public"):
        fields.rest.pop(name, None)
    return Meaning(
        kind=kind,
        messages=chat_of(given) if kind == "llm" else None,
        answers=_answers(got, raw) if kind == "llm" else None,
        input_text=plain_text(given),
        output_text=plain_text(got),
        query=plain_text(given) if kind == "retrieval" else None,
        documents=documents,
        usage=usage,
        cost_usd=_cost(fields),
        model=fields.text("provided_model_name", "model"),
        session_id=fields.text("session_id"),
        user_id=fields.text("user_id"),
        environment=environment,
        route=fields.text("trace_name"),
        prompt_name=fields.text("prompt_name"),
        prompt_version=fields.text("prompt_version"),
        ttft_ms=ttft_ms,
        feedback=fields.items("\x00scores"),
        truncated=True if cut or cut_out else None,
        rest=_rest(fields),
    )


def usage_of(details: Mapping[str, Any]) -> Usage | None:
    """Tokens from `usage_details`, whatever its writer calls them.

    In Langfuse's convention the keys add up to `total`: `input` is what the cached tokens do not
    count among, `output` what the reasoning does not. Writers that repeat the provider's own
    figures give wholes and parts instead; which of the two it is, `total` tells. The result is
    inclusive.

    >>> usage_of({"input": 156, "input_cached_tokens": 256, "output": 14, "total": 426})
    Usage(input=412, cached=256, written=None, output=14, reasoning=None)
    """
    counts = {
        name: count for name, value in details.items() if (count := _count(value)) is not None
    }
    total = counts.pop("total", counts.pop("total_tokens", None))
    got = {name: n for name, n in counts.items() if "output" in name or "completion" in name}
    sent = {
        name: n
        for name, n in counts.items()
        if name not in got and any(word in name for word in ("input", "prompt", "cache"))
    }
    if not sent and not got:
        return None
    sums = [_whole(sent, ("input", "prompt_tokens", "input_tokens", "promptTokens"))]
    sums.append(_whole(got, ("output", "completion_tokens", "output_tokens", "completionTokens")))
    (all_in, base_in), (all_out, base_out) = sums
    tokens_in, tokens_out = all_in, all_out
    for one, other in (
        (all_in, all_out),
        (base_in, base_out),
        (all_in, base_out),
        (base_in, all_out),
    ):
        if total is not None and (one or 0) + (other or 0) == total:
            tokens_in, tokens_out = one, other
            break
    return Usage(
        input=tokens_in,
        cached=_sum(sent, "cached", "cache_read"),
        written=_sum(sent, "cache_creation", "cache_write"),
        output=tokens_out,
        reasoning=_sum(got, "reasoning"),
    )


def _named(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the column names of the export, also where it came from the REST API."""
    if not any(name in record for name in _OF_THE_API):
        return record
    named = {_CAMEL.sub(r"_\1", name).lower(): value for name, value in record.items()}
    subject = named.pop("subject", None)
    if isinstance(subject, dict):  # a score, as version 3 gives it: one value of any type
        kind, id_ = subject.get("kind"), subject.get("id")
        named["trace_id"] = id_ if kind == _TRACE else subject.get("traceId")
        named["observation_id"] = id_ if kind == "observation" else None
        if isinstance(named.get("value"), str):
            named["string_value"], named["value"] = named["value"], None
    return named


def _unfolded(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A trace with its observations and scores inside, as the REST API gives it, taken apart."""
    for name in ("observations", "scores"):
        for inner in record[name] if isinstance(record.get(name), list) else ():
            if isinstance(inner, dict):
                yield inner
    yield record


def _kind_of(record: dict[str, Any]) -> str | None:
    kind = record.get("type")
    if isinstance(kind, str) and kind.upper() in _KINDS:
        return "observation"
    if "value" in record and "name" in record:
        return "score"
    if "start_time" in record:
        return "observation"
    if "timestamp" in record and "id" in record:
        return _TRACE
    return None


def _changed(record: Mapping[str, Any]) -> float:
    moment = time_of(record.get("updated_at"))
    return 0.0 if moment is None else moment.timestamp()


def _updated(trace: str, record: dict[str, Any]) -> Updated:
    fields = Fields(record)
    id_ = fields.text("id") or ""
    start = time_ns_of(fields.rest.pop("start_time", None)) or 0
    end = time_ns_of(fields.rest.pop("end_time", None))
    level = fields.text("level")
    message = fields.text("status_message")
    changed = fields.time("updated_at")
    for name in ("created_at", "trace_id"):
        fields.rest.pop(name, None)
    span = Span(
        trace=trace,
        id=id_,
        parent=_id(record.get("parent_observation_id")),
        name=fields.text("name") or "",
        start_ns=start,
        end_ns=end,
        attributes=fields.rest,
        status="error" if level == "ERROR" else "ok",
        message=message,
    )
    return Updated(span, changed)


def _root(trace: str, id_: str, about: dict[str, Any], below: Iterable[Updated]) -> Updated:
    """What the legacy traces table tells, as the span around all observations."""
    starts = [time_ns_of(about.get("timestamp"))] + [one.span.start_ns for one in below]
    kept = {name: about[name] for name in ("input", "output") if about.get(name) is not None}
    span = Span(
        trace=trace,
        id=id_,
        parent=None,
        name=Fields(about).text("name") or "",
        start_ns=min((start for start in starts if start), default=0),
        end_ns=max((one.span.end_ns or 0 for one in below), default=0) or None,
        attributes={**kept, "type": "CHAIN", **_environment(about)},
        status="ok",
    )
    return Updated(span, time_of(about.get("updated_at")))


def _environment(about: dict[str, Any]) -> dict[str, Any]:
    value = about.get("environment")
    return {"environment": value} if isinstance(value, str) else {}


def _with_scores(
    found: list[Updated], scores: Iterable[dict[str, Any]], known: set[str], first: str | None
) -> list[Updated]:
    """Each score on the observation that it is about; those of the trace on the first one."""
    given: dict[str, list[dict[str, Any]]] = {}
    for score in scores:
        fields = Fields(score)
        about = fields.text("observation_id")
        target = about if about in known else first
        if target is None or fields.text("source") == "EVAL":  # a model's verdict is no feedback
            continue
        said = {
            "name": fields.text("name"),
            "value": fields.rest.get("value"),
            "label": fields.text("string_value"),
            "comment": fields.text("comment"),
            "by": fields.text("author_user_id") or score.get("source"),
        }
        given.setdefault(target, []).append(said)
    if not given:
        return found
    return [
        one._replace(
            span=replace(
                one.span, attributes={**one.span.attributes, "\x00scores": given[one.span.id]}
            )
        )
        if one.span.id in given
        else one
        for one in found
    ]


def _answers(got: object, raw: object) -> tuple[Answer, ...] | None:
    """The answer; an object of the application's own is the JSON text that the model gave."""
    if isinstance(got, dict) and not _ANSWER_KEYS & got.keys():
        if not got:
            return None
        return (Answer(raw if isinstance(raw, str) else orjson.dumps(got).decode()),)
    if got is None and isinstance(raw, str) and raw.strip():
        return (Answer(raw),)  # JSON that was cut
    return answers_of(got)


def _cost(fields: Fields) -> float | None:
    """The cost; 0 without any detail is what Langfuse says where it knows no price."""
    details = fields.object("cost_details") or {}
    cost = decimal_of(fields.rest.pop("total_cost", None))
    if cost is None:
        cost = decimal_of(details.get("total"))
    return None if cost == 0 and not details else cost


def _count(value: object) -> int | None:
    number = decimal_of(value)
    return int(number) if number is not None and 0 <= number < 2**53 else None


def _whole(counts: Mapping[str, int], names: tuple[str, ...]) -> tuple[int | None, int | None]:
    base = next((counts[name] for name in names if name in counts), None)
    return (sum(counts.values()) if counts else None), base


def _sum(counts: Mapping[str, int], *words: str) -> int | None:
    found = [n for name, n in counts.items() if any(word in name for word in words)]
    return sum(found) if found else None


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _rest(fields: Fields) -> dict[str, Any]:
    parameters = Fields(fields.object("model_parameters")).rest
    meta = Fields(fields.object("metadata")).rest
    return {
        **fields.rest,
        **{f"metadata.{name}": value for name, value in meta.items()},
        **{f"request.{name}": value for name, value in parameters.items()},
    }


# ── the API


def _fetch(settings: SourceSettings, window: Window, client: Client) -> Iterator[dict[str, Any]]:
    """Observations that began in the window, then scores that were given in it."""
    start, end = stamp(window.start), stamp(window.end, up=True)
    bounds = {"fromStartTime": start, "toStartTime": end}
    asked = {"limit": str(_PAGE), "fields": _GROUPS, **bounds}
    yield from _pages(client, f"{_API}/v2/observations", asked)
    bounds = {"fromTimestamp": start, "toTimestamp": end}
    asked = {"limit": str(_PAGE_OF_SCORES), "fields": _GROUPS_OF_SCORES, **bounds}
    yield from _pages(client, f"{_API}/v3/scores", asked)


def _pages(client: Client, path: str, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
    def ask(cursor: str | None) -> Any:
        return client.get(path, asked if cursor is None else {**asked, "cursor": cursor})

    return by_token(ask, ("data",), ("meta", "cursor"))


def _headers(_: SourceSettings, key: str | None, secret: str | None) -> dict[str, str]:
    """The public key is the name, the secret key the password."""
    both = f"{key or ''}:{secret or ''}".encode()
    return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}


SOURCE = replace(
    trace_source("langfuse", TraceFormat(place, spans, meaning_of), ABOUT, __name__, checked),
    api=Api(_fetch, _headers, probe=f"{_API}/projects"),
)
