"""How many tokens a call read and wrote, as its provider counts them."""

from __future__ import annotations

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer

__all__ = ["tokens"]


@scorer(
    "tokens",
    version="1",
    needs=("tokens_input", "tokens_cached", "tokens_output", "token_semantics"),
    metrics=(
        Metric("tokens_input", "tokens", "higher", "prompt tokens of a call, cached ones included"),
        Metric("tokens_output", "tokens", "either", "completion tokens of a call"),
    ),
)
def tokens(batch: Batch) -> Scores:
    """Prompt tokens with the cached ones, whichever way the provider counts them, so that a prompt
    that grows is seen and a cache that warms up is not; completion tokens as logged, reasoning
    included.

    Not logged: not_applicable. A negative count: error.
    """
    read, written = Values(len(batch)), Values(len(batch))
    cached, semantics = batch.values("tokens_cached"), batch.values("token_semantics")
    for i, count in enumerate(batch.values("tokens_input")):
        extra = (cached[i] or 0) if semantics[i] == "exclusive" else 0
        _set(
            read,
            i,
            None
            if count is None
            else min(count, extra)
            if min(count, extra) < 0
            else count + extra,
        )
    for i, count in enumerate(batch.values("tokens_output")):
        _set(written, i, count)
    return Scores({"tokens_input": read, "tokens_output": written})


def _set(values: Values, row: int, count: int | None) -> None:
    if count is None:
        values.skip(row, "not_applicable")
    elif count < 0:
        values.skip(row, "error")
    else:
        values.set(row, count)
