"""Rows of LiteLLM's table `LiteLLM_SpendLogs` in the shape of its logging payload. What either means is
the source's business."""

from __future__ import annotations

from typing import Any

from evalkit.ingest.fields import Fields

__all__ = ["SELECT", "WATERMARK", "is_spend_log", "payload_of"]

SELECT = 'SELECT * FROM "LiteLLM_SpendLogs"'
#: The column that LiteLLM has an index on. Rows are written when their call is over, and in
#: batches: the look-back finds those that came behind.
WATERMARK = "startTime"

_OFF = "Cache OFF"
#: Of the request's body: what says something by another column, or is none of the parameters.
_NOT_PARAMETERS = frozenset(
    {"messages", "input", "prompt", "model", "user", "metadata", "litellm_metadata"}
)
_COUNTS = ("prompt_tokens", "completion_tokens")


def is_spend_log(record: dict[str, Any]) -> bool:
    """Whether an object is a row of the table: no payload has a `request_id`."""
    return "request_id" in record and "id" not in record


def payload_of(record: dict[str, Any]) -> dict[str, Any]:
    """A row of the table as the payload that the same call's logger would have been given.

    The request stands in `messages` only for realtime calls; for all others it is in
    `proxy_server_request`, in older releases in `metadata`, where the proxy stores prompts at all.
    """
    top = Fields(record)
    rest = top.rest
    meta = Fields(top.object("metadata"))
    body = Fields(top.object("proxy_server_request"))
    older = Fields(meta.object("proxy_server_request"))
    body = Fields(body.object("body") or body.rest or older.object("body") or older.rest)
    _rename(rest, "request_id", rest, "id")
    _rename(rest, "spend", rest, "response_cost")
    _rename(rest, "api_key", meta.rest, "user_api_key_hash")
    rest.pop("request_duration_ms", None)  # the end minus the start
    if rest.get("cache_key") == _OFF:
        del rest["cache_key"]
    if not _content(rest.get("messages")):
        asked = next(
            (body.rest[name] for name in ("messages", "input", "prompt") if body.rest.get(name)),
            None,
        )
        rest["messages"] = asked
    parameters = {k: v for k, v in body.rest.items() if k not in _NOT_PARAMETERS}
    if parameters:
        rest["model_parameters"] = parameters
    own = body.object("metadata")
    if own and not meta.rest.get("requester_metadata"):
        meta.rest["requester_metadata"] = own
    _usage(rest, meta)
    status = meta.text("status")
    if status is not None and not rest.get("status"):
        rest["status"] = status
    error = meta.object("error_information")
    if error:
        rest["error_information"] = {k: v for k, v in error.items() if k != "traceback"}
    trace = meta.text("trace_id") or Fields(rest).text("session_id")
    if trace is not None:
        rest.setdefault("trace_id", trace)
    rest["metadata"] = meta.rest
    return rest


def _rename(old: dict[str, Any], name: str, new: dict[str, Any], other: str) -> None:
    value = old.pop(name, None)
    if value is not None and value != "":
        new.setdefault(other, value)


def _content(value: object) -> bool:
    return bool(value) and value not in ("{}", "[]")


def _usage(rest: dict[str, Any], meta: Fields) -> None:
    """Before there was a `usage_object`, what is more than the two counts stood apart."""
    more = meta.object("additional_usage_values")
    if more and not meta.rest.get("usage_object"):
        counts = {name: rest[name] for name in _COUNTS if rest.get(name) is not None}
        meta.rest["usage_object"] = {**counts, **more}
