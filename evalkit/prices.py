"""What tokens cost: a cost map in LiteLLM's shape, applied to the usage of one call."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigError

__all__ = ["Price", "PriceList", "Usage", "load"]

_DATE_SUFFIX = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")
#: Service tiers with a price of their own: what the map appends to its keys, and what share of the
#: regular price is paid where the map has none. All vendors halve batches, and flex costs as they do.
_SERVICES: Mapping[str, tuple[str, float | None]] = {
    "batch": ("_batches", 0.5),
    "flex": ("_flex", 0.5),
    "priority": ("_priority", None),
}
_TIER = re.compile(
    r"^(input_cost_per_token|output_cost_per_token|cache_read_input_token_cost)_above_(\d+)k_tokens$"
)


@dataclass(frozen=True)
class Usage:
    """The tokens of one call. `inclusive`: cached tokens are part of `tokens_input` (OpenAI,
    Gemini); otherwise they come on top (Anthropic, Bedrock)."""

    tokens_input: int
    tokens_output: int
    tokens_cached: int = 0
    tokens_reasoning: int = 0
    inclusive: bool = True


@dataclass(frozen=True)
class Price:
    """USD per ONE token, from one entry of the map; `above` holds (tokens, field, price) tiers by
    input tokens, `services` the prices of other service tiers; None: that one is unpriced."""

    input: float
    output: float
    cached: float | None = None
    reasoning: float | None = None
    above: tuple[tuple[int, str, float], ...] = ()
    services: Mapping[str, Price | None] = field(default_factory=dict, hash=False)

    def at(self, service_tier: str | None) -> Price | None:
        """The price in a service tier (batch, flex, priority); any other one is the regular price.

        None where the tier has a price that is not in the list.
        """
        return self.services.get((service_tier or "").strip().lower(), self)

    def times(self, share: float) -> Price:
        """A share of the regular price."""

        def part(price: float | None) -> float | None:
            return None if price is None else price * share

        return Price(
            self.input * share,
            self.output * share,
            part(self.cached),
            part(self.reasoning),
            tuple((limit, name, price * share) for limit, name, price in self.above),
        )

    def cost(self, usage: Usage) -> float:
        """The cost of a call in USD.

        >>> price = Price(1.5e-07, 6e-07, 7.5e-08)
        >>> round(price.cost(Usage(412, 14, tokens_cached=256)), 9)
        5.1e-05
        """
        cached = usage.tokens_cached
        total = usage.tokens_input if usage.inclusive else usage.tokens_input + cached
        fresh = max(0, total - cached)
        reasoning = min(usage.tokens_reasoning, usage.tokens_output)
        input_price = self._tier("input_cost_per_token", total, self.input)
        output_price = self._tier("output_cost_per_token", total, self.output)
        cached_base = input_price if self.cached is None else self.cached
        cached_price = self._tier("cache_read_input_token_cost", total, cached_base)
        reasoning_price = output_price if self.reasoning is None else self.reasoning
        return (
            fresh * input_price
            + cached * cached_price
            + (usage.tokens_output - reasoning) * output_price
            + reasoning * reasoning_price
        )

    def _tier(self, field: str, tokens: int, base: float) -> float:
        price = base
        for limit, name, value in self.above:  # ascending limits: the highest one passed wins
            if name == field and tokens > limit:
                price = value
        return price


def load(path: Path | None = None) -> PriceList:
    """The price list of a file, or the shipped one (`evalkit/default_prices.json`).

    Raises:
        ConfigError: the file cannot be read, or is no cost map.
    """
    where = "default_prices.json" if path is None else path.name
    try:
        if path is None:
            data = (resources.files("evalkit") / "default_prices.json").read_bytes()
        else:
            data = path.read_bytes()
        entries = json.loads(data)
    except OSError as error:
        raise ConfigError(
            f"[prices] file: {path} cannot be read ({error.strerror}). Check the path, or leave "
            "the key out to use the shipped list."
        ) from error
    except ValueError as error:  # no UTF-8, or no JSON
        raise ConfigError(f"[prices] file: {path} is no JSON ({error}).") from error
    if not isinstance(entries, Mapping):
        raise ConfigError(
            f"[prices] file: {path} is no cost map: it must map model names to prices."
        )
    return PriceList(entries, where)


class PriceList:
    """All prices of a cost map. An entry may carry `effective_from` (YYYY-MM-DD) or be a list of
    such entries: then a call has the price of its day, so that cost trends do not move when a price
    is edited.
    """

    def __init__(self, entries: Mapping[str, Any], where: str = "price list") -> None:
        self._prices: dict[str, list[tuple[date, Price]]] = {}
        for name, entry in entries.items():
            if name == "sample_spec":
                continue
            versions = entry if isinstance(entry, list) else [entry]
            dated = [self._read(name, version, where) for version in versions]
            kept = [item for item in dated if item is not None]
            if kept:
                self._prices[name.lower()] = sorted(kept, key=lambda item: item[0])
        text = json.dumps(entries, sort_keys=True, default=str)
        #: hash of the whole map; stands in every score's provenance
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._prices)

    @staticmethod
    def _read(name: str, entry: Any, where: str) -> tuple[date, Price] | None:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{where}: {name}: is no object. Each model maps to its prices.")
        if "input_cost_per_token" not in entry and "output_cost_per_token" not in entry:
            return None  # priced per image, second or query: unpriced here, and counted as such

        def number(key: str) -> float | None:
            value = entry.get(key)
            if value is None:
                return None
            try:
                price = float(value)
            except (TypeError, ValueError):
                price = -1.0
            if not 0 <= price < 1:
                raise ConfigError(
                    f"{where}: {name}: {key}: {value!r} is no price in USD per one token."
                )
            return price

        above = []
        for key in entry:
            tier = _TIER.match(str(key))
            price = number(str(key)) if tier else None
            if tier and price is not None:
                above.append((int(tier[2]) * 1000, tier[1], price))
        try:
            start = date.fromisoformat(str(entry.get("effective_from", "1970-01-01")))
        except ValueError:
            raise ConfigError(f"{where}: {name}: effective_from: write YYYY-MM-DD.") from None
        regular = Price(
            number("input_cost_per_token") or 0.0,
            number("output_cost_per_token") or 0.0,
            number("cache_read_input_token_cost"),
            number("output_cost_per_reasoning_token"),
            tuple(sorted(above)),
        )
        return start, replace(
            regular,
            services={name: _in_service(regular, number, *how) for name, how in _SERVICES.items()},
        )

    def find(
        self, model: str, provider: str | None = None, day: date | None = None
    ) -> Price | None:
        """The price of a served model: its exact name, then without a trailing date, then
        `provider/name`.

        Returns None when it is not in the list: unpriced, which is not the same as free.
        """
        plain = _DATE_SUFFIX.sub("", model.lower())
        names = [model.lower(), plain]
        if provider:
            names += [f"{provider.lower()}/{name}" for name in (model.lower(), plain)]
        for name in names:
            versions = self._prices.get(name)
            if versions:
                fitting = [price for start, price in versions if day is None or start <= day]
                return fitting[-1] if fitting else None
        return None


def _in_service(
    price: Price, number: Callable[[str], float | None], suffix: str, share: float | None
) -> Price | None:
    """The price in one service tier: its own keys, and for what has none the share that its input
    costs of the regular price."""
    own_input = number(f"input_cost_per_token{suffix}")
    own_output = number(f"output_cost_per_token{suffix}")
    if own_input is None and own_output is None:
        return None if share is None else price.times(share)
    if own_input is not None and price.input > 0:
        share = own_input / price.input
    base = price.times(1.0 if share is None else share)
    cached = number(f"cache_read_input_token_cost{suffix}")
    return replace(
        base,
        input=base.input if own_input is None else own_input,
        output=base.output if own_output is None else own_output,
        cached=base.cached if cached is None else cached,
    )
