"""SageMaker data capture: what an endpoint was sent and what it gave back, one call a line."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.bodies import Asked, Said, asked_of, body_of, said_of
from evalkit.ingest.contract import RecordError, Row
from evalkit.ingest.exchanges import carried, rows_of_call
from evalkit.ingest.fields import Fields, attributes_of
from evalkit.ingest.linewise import line_source

__all__ = ["SOURCE", "parse"]

_SIDES = ("endpointInput", "endpointOutput")
_PAIR = re.compile(r"([A-Za-z][\w.-]{0,63})\s*=\s*([^,;\s]{1,256})")


def parse(record: dict[str, Any], settings: SourceSettings) -> list[Row]:
    """SageMaker data capture, one JSON object a line: `{"captureData": {"endpointInput": {...},
    "endpointOutput": {...}}, "eventMetadata": {"eventId", "inferenceTime"}}`.

    Bodies as text or BASE64, whole or as an event stream, in the schemas of OpenAI-compatible
    containers, TGI and JumpStart; others are kept as text. The only time is that of the inference,
    to the second; latency, session, and mostly tokens are not in this format and stay NULL.
    """
    top = Fields(record)
    about = Fields(top.object("eventMetadata"))
    time = about.time("inferenceTime")
    if time is None:
        found = about.rest.get("inferenceTime") is not None
        what = "inferenceTime: is no time" if found else "inferenceTime: missing"
        raise RecordError(f"eventMetadata.{what}")
    data = Fields(top.object("captureData"))
    attributes: dict[str, str] = {}
    labels: dict[str, str] = {}
    bodies: list[Any] = []
    for name in _SIDES:
        side = Fields(data.object(name))
        labels |= _labels(side.rest.pop("customAttributes", None))
        text = side.rest.get("data")
        if not isinstance(text, str):
            bodies.append(None)
            attributes[f"capture.{name}"] = "not captured"
            continue
        body = _decoded(text, side.text("encoding"))
        if body is None:
            attributes[f"capture.{name}"] = "cannot be decoded"
        bodies.append(body)
        attributes |= attributes_of({"type": side.text("observedContentType")}, f"capture.{name}.")
    if bodies == [None, None]:
        raise RecordError("neither input nor output can be read", time)
    asked: Asked = asked_of(body_of(bodies[0]))
    said: Said = said_of(body_of(bodies[1]), asked)
    labels |= _labels(about.rest.pop("customAttributes", None))
    told = Fields(labels)
    around: Row = {
        "started_at": time,
        "trace_id": about.text("inferenceId"),
        "provider": "sagemaker",
        **carried(told),
    }
    attributes = {**attributes_of(told.rest), **attributes_of(about.rest, "event."), **attributes}
    attributes.pop("event.eventId", None)
    pattern, source_id = settings.question_pattern, about.text("eventId")
    return rows_of_call(asked, said, around, attributes, pattern, source_id)


def _decoded(text: str, encoding: str | None) -> str | None:
    """The text of a body; None where it is no BASE64, or no text then."""
    if (encoding or "").upper() != "BASE64":
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _labels(value: object) -> dict[str, str]:
    """What a caller sent as custom attributes: `session_id=s-77,user_id=u-1`, or a list of such."""
    if isinstance(value, list):
        value = ",".join(one for one in value if isinstance(one, str))
    return dict(_PAIR.findall(value[:2000])) if isinstance(value, str) else {}


SOURCE = line_source("sagemaker", parse, __name__)
