"""How long a call took, as it was logged."""

from __future__ import annotations

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer

__all__ = ["latency"]


@scorer(
    "latency",
    version="1",
    needs=("latency_ms", "ttft_ms", "status"),
    metrics=(
        Metric(
            "latency_ms",
            "ms",
            "higher",
            "time from request to last token of an answered call",
            headline=True,
        ),
        Metric("ttft_ms", "ms", "higher", "time from request to first token of an answered call"),
    ),
)
def latency(batch: Batch) -> Scores:
    """The logged times, never this machine's own.

    Not logged, or the call failed (a refused call is fast and would make a bad night look quick;
    failures have their own metric): not_applicable. A negative time: error.
    """
    columns = {name: Values(len(batch)) for name in ("latency_ms", "ttft_ms")}
    status = batch.values("status")
    for name, values in columns.items():
        for i, time in enumerate(batch.values(name)):
            if time is None or status[i] == "error":
                values.skip(i, "not_applicable")
            elif time < 0:
                values.skip(i, "error")
            else:
                values.set(i, time)
    return Scores(columns)
