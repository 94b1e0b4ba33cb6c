"""What a call cost."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.metrics import Metric
from evalkit.prices import Usage
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer

__all__ = ["cost"]


#: Where logs say in which tier a call was served; the first one that is there tells.
_TIERS = (
    "service_tier",
    "response.service_tier",
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "llm.service_tier",
    "usage.service_tier",
)


def service_tier(attributes: Iterable[tuple[str, str]] | None) -> str | None:
    """The service tier that the attributes of a call tell.

    >>> service_tier([("response.service_tier", "flex"), ("stream", "true")])
    'flex'
    """
    said = dict(attributes or ())
    return next((said[name] for name in _TIERS if name in said), None)


@scorer(
    "cost",
    version="2",
    needs=(
        "day",
        "provider",
        "model",
        "requested_model",
        "tokens_input",
        "tokens_cached",
        "tokens_output",
        "tokens_reasoning",
        "token_semantics",
        "attributes",
        "prices",
    ),
    metrics=(
        Metric(
            "cost_usd",
            "usd",
            "higher",
            "cost of a call, from its tokens and the price list",
            headline=True,
        ),
    ),
)
def cost(batch: Batch) -> Scores:
    """USD from the usage of the call and the price of the model that served it (the requested one
    when the log does not say) on the call's day; see `prices.Price.cost`. Calls of a batch, and
    those that were served in another tier (attribute `service_tier`: batch, flex, priority), have
    that tier's price: `prices.Price.at`.

    A model without a price, also in the call's tier, or a call without token counts:
    not_applicable, never 0: unknown is not free. Negative counts: error. What the log itself says
    about cost is not used here.
    """
    values = Values(len(batch))
    column = batch.values
    models = zip(
        column("model"), column("requested_model"), column("provider"), column("day"), strict=True
    )
    counts = zip(
        column("tokens_input"),
        column("tokens_output"),
        column("tokens_cached"),
        column("tokens_reasoning"),
        strict=True,
    )
    tiers = [service_tier(attributes) for attributes in column("attributes")]
    for i, ((served, requested, provider, day), tokens) in enumerate(
        zip(models, counts, strict=True)
    ):
        name = served or requested
        price = batch.prices.find(name, provider, day) if name else None
        price = price.at(tiers[i]) if price is not None else None
        fresh, output, cached, reasoning = tokens
        if price is None or fresh is None or output is None:
            values.skip(i, "not_applicable")
        elif min(fresh, output, cached or 0, reasoning or 0) < 0:
            values.skip(i, "error")
        else:
            inclusive = column("token_semantics")[i] != "exclusive"
            values.set(i, price.cost(Usage(fresh, output, cached or 0, reasoning or 0, inclusive)))
    return Scores({"cost_usd": values})
