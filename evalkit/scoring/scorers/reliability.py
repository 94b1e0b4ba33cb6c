"""Whether a call was answered, and by the model that was asked for."""

from __future__ import annotations

import re

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer

__all__ = ["is_same_model", "reliability"]

# A snapshot of a model: a date, a revision, or "the newest one".
_SNAPSHOT = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|00\d|latest|v\d+(?::\d+)?)$")
# Bedrock and Vertex put region and maker before a dot.
_MAKER = re.compile(
    r"^(?:(?:us|eu|apac|global)\.)?(?:anthropic|meta|mistral|amazon|cohere|ai21|deepseek)\."
)


def is_same_model(requested: str, served: str) -> bool:
    """Whether a served model is the one that was asked for, up to case, a provider's prefix, and a
    snapshot that only one of the two names states.

    >>> is_same_model("gpt-4o", "openai/gpt-4o-2024-08-06"), is_same_model("gpt-4o", "gpt-4o-mini")
    (True, False)
    """
    a, b = _plain(requested), _plain(served)
    return (
        a == b
        or _alias(a) == b
        or a == _alias(b)
        or (_alias(a) == _alias(b) and a.endswith("latest"))
    )


def _plain(name: str) -> str:
    return _MAKER.sub("", name.strip().lower().rsplit("/", 1)[-1])


def _alias(name: str) -> str:
    """The name without its snapshot; Bedrock has both a date and a revision."""
    return _SNAPSHOT.sub("", _SNAPSHOT.sub("", name))


@scorer(
    "reliability",
    version="1",
    needs=("status", "model", "requested_model"),
    metrics=(
        Metric("failed", "share", "higher", "calls that ended in an error", headline=True),
        Metric(
            "model_fallback",
            "share",
            "higher",
            "calls that another model answered than the one asked for",
        ),
    ),
)
def reliability(batch: Batch) -> Scores:
    """failed: 1 when the call's status is error, else 0. model_fallback: 1 when the served model is
    not the requested one (`is_same_model`), else 0.

    What the log does not say is not_applicable; so is the fallback of a failed call.
    """
    failed, fallback = Values(len(batch)), Values(len(batch))
    served, requested = batch.strings("model"), batch.strings("requested_model")
    for i, status in enumerate(batch.values("status")):
        if status is None:
            failed.skip(i, "not_applicable")
        else:
            failed.set(i, float(status == "error"))
        asked, got = requested[i], served[i]
        if asked is None or got is None or status == "error":
            fallback.skip(i, "not_applicable")
        else:
            fallback.set(i, float(not is_same_model(asked, got)))
    return Scores({"failed": failed, "model_fallback": fallback})
