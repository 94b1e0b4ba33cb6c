"""Whether a call came back with an output that the application can use."""

from __future__ import annotations

import orjson

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer

__all__ = ["output_valid"]

_CUT = frozenset({"length", "max_tokens", "model_length", "max_output_tokens"})
_TOOLS = frozenset({"tool_calls", "tool_use", "function_call"})
_JSON = frozenset({"json", "json_object", "json_schema", "application/json"})


@scorer(
    "output_valid",
    version="1",
    needs=("response", "response_format", "finish_reason", "tokens_output", "status", "truncated"),
    metrics=(
        Metric(
            "output_valid",
            "share",
            "lower",
            "answers that are there, not cut off, and of the format that was asked for",
        ),
    ),
)
def output_valid(batch: Batch) -> Scores:
    """0 when the answer is empty, was cut at the token limit (finish reason), or is not JSON (RFC
    8259) where JSON was asked for; else 1.

    The call failed, it answered by a tool call, or the log holds no texts (tokens were written, or
    nothing is known of the call): not_applicable. JSON that the log itself cut: truncated.
    """
    values = Values(len(batch))
    responses, truncated = batch.strings("response"), batch.values("truncated")
    status, written = batch.values("status"), batch.values("tokens_output")
    finish, formats = _words(batch, "finish_reason"), _words(batch, "response_format")
    for i, response in enumerate(responses):
        unseen = response is None and (
            status[i] is None or finish[i] in _TOOLS or (written[i] or 0) > 0
        )
        if status[i] == "error" or unseen:
            values.skip(i, "not_applicable")
        elif response is None or finish[i] in _CUT:
            values.set(i, 0.0)
        elif formats[i] not in _JSON:
            values.set(i, 1.0)
        elif truncated[i]:
            values.skip(i, "truncated")
        else:
            values.set(i, float(_is_json(response)))
    return Scores({"output_valid": values})


def _words(batch: Batch, column: str) -> list[str]:
    return [(value or "").strip().lower() for value in batch.strings(column)]


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)  # refuses NaN and endless nesting, which the standard parser does not
    except orjson.JSONDecodeError:
        return False
    return True
