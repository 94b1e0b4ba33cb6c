"""What a night of so many interactions needs: the work counted, then divided by what a core does.

Pure arithmetic on stated assumptions. Every assumption can be changed; `observed` takes those that
traffic decides from a lake's own nights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from evalkit.errors import ConfigError, DayError
from evalkit.lake import Lake
from evalkit.queries import query
from evalkit.schema import INTERACTIONS

__all__ = ["Assumptions", "Need", "Plan", "assume", "observed", "parse_rows", "plan"]

_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)")
_TIMES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
#: Vectors of the default model, as the cache keeps them: 384 float32 and their key.
_VECTOR_BYTES = 1_600


def _number(default: float, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Assumptions:
    """What a plan rests on: traffic, speed of one core, and what there is.

    The traffic is that of the sample with five chunks; speeds were measured on two cores with
    AVX-512, bf16 and VNNI (docs/speed.md). Each field says what it is in its metadata.
    """

    chunks: float = _number(5, "retrieved chunks an interaction")
    repeated: float = _number(0.95, "share of retrieved chunks that were embedded before")
    query_tokens: float = _number(11, "tokens of a question")
    response_tokens: float = _number(79, "tokens of an answer")
    chunk_tokens: float = _number(175, "tokens of a chunk")
    claims: float = _number(2.8, "claims an answer that the verifier reads")
    bytes_per_row: float = _number(1_400, "bytes of an interaction and its scores in the lake")
    tokens_per_second: float = _number(6_000, "tokens embedded by one core (bf16)")
    rows_per_second: float = _number(190, "rows scored by one core, texts embedded")
    claims_per_second: float = _number(
        41, "claims that the verifier reads on one core (bf16; of the network before)"
    )
    read_per_second: float = _number(10_000, "records ingested by one core")
    rolled_per_second: float = _number(18_000, "rows rolled up, detected and reported by one core")
    verifier: float = _number(0, "1: the verifier reads every claim")
    hours: float = _number(4, "time that the night may take")
    cores: float = _number(16, "cores of a machine")
    usd_per_core_hour: float = _number(0.05, "price of a core for an hour")


@dataclass(frozen=True)
class Need:
    """One kind of work.

    Attributes:
        what: which.
        amount: how much of it, in `unit`.
        core_hours: how long one core is busy with it.
    """

    what: str
    amount: float
    unit: str
    core_hours: float


@dataclass(frozen=True)
class Plan:
    """What a night needs.

    Attributes:
        rows: interactions.
        work: kind by kind.
        core_hours: all of it.
        machines: of so many cores that are done in time.
        hours: how long these take.
        usd: what their cores cost for that time.
        lake_bytes: what the night adds to the lake.
        cache_bytes: what it adds to the cache of vectors.
        assumptions: what all of this rests on.
    """

    rows: int
    work: tuple[Need, ...]
    core_hours: float
    machines: int
    hours: float
    usd: float
    lake_bytes: float
    cache_bytes: float
    assumptions: Assumptions


def plan(rows: int, given: Assumptions | None = None) -> Plan:
    """What a night of `rows` interactions needs.

    A question is embedded once, an answer and a new chunk as a whole and by its sentences. What
    scales over workers is all but the roll-up and the report, which are counted with the rest.

    >>> found = plan(100_000, Assumptions(hours=1, cores=4))
    >>> found.machines, [need.what for need in found.work]
    (1, ['ingest', 'embedding', 'scoring', 'rollup to report'])
    """
    have = given or Assumptions()
    new_chunks = have.chunks * (1 - have.repeated)
    tokens = have.query_tokens + 2 * have.response_tokens + 2 * new_chunks * have.chunk_tokens
    work = [
        _need("ingest", rows, "records", have.read_per_second),
        _need("embedding", rows * tokens, "tokens", have.tokens_per_second),
        _need("scoring", rows, "rows", have.rows_per_second),
    ]
    if have.verifier:
        work.append(_need("verifier", rows * have.claims, "claims", have.claims_per_second))
    work.append(_need("rollup to report", rows, "rows", have.rolled_per_second))
    hours = sum(need.core_hours for need in work)
    machines = max(1, math.ceil(hours / (have.hours * have.cores)))
    sentences = 1 + have.response_tokens / 27 + new_chunks * (1 + have.chunk_tokens / 27)
    return Plan(
        rows=rows,
        work=tuple(work),
        core_hours=hours,
        machines=machines,
        hours=hours / (machines * have.cores),
        usd=hours * have.usd_per_core_hour,
        lake_bytes=rows * have.bytes_per_row,
        cache_bytes=rows * (1 + sentences) * _VECTOR_BYTES,
        assumptions=have,
    )


def _need(what: str, amount: float, unit: str, per_second: float) -> Need:
    return Need(what, amount, unit, amount / per_second / 3600)


def parse_rows(text: str) -> int:
    """A count as people write it.

    >>> parse_rows("10M"), parse_rows("2.5k"), parse_rows("1_000")
    (10000000, 2500, 1000)

    Raises:
        ConfigError: it is none.
    """
    found = _COUNT.fullmatch(text.strip().replace("_", "").replace(",", ""))
    count = int(Decimal(found[1]) * _TIMES[found[2].lower()]) if found else 0
    if count < 1:
        raise ConfigError(f"--rows {text!r}: write a count such as 100000, 100k, 10M or 1B.")
    return count


def assume(changes: Mapping[str, float], start: Assumptions | None = None) -> Assumptions:
    """Assumptions with some of them changed.

    Raises:
        ConfigError: there is no such assumption, or the value makes no sense.
    """
    known = [one.name for one in fields(Assumptions)]
    for name, value in changes.items():
        if name not in known:
            raise ConfigError(
                f"--set {name}: there is no such assumption. Known: {', '.join(known)}."
            )
        most = 1.0 if name in {"repeated", "verifier"} else math.inf
        rate = name.endswith("_per_second") or name in {"hours", "cores"}
        if not math.isfinite(value) or value < 0 or value > most or (rate and value == 0):
            raise ConfigError(
                f"--set {name}={value:g}: must be "
                f"{'above 0' if rate else 'from 0 to 1' if most == 1 else '0 or more'}."
            )
    return replace(start or Assumptions(), **changes)


def observed(lake: Lake) -> dict[str, float]:
    """What the newest day of a lake says of its traffic, as changes for `assume`.

    Repeated chunks are those whose text was retrieved before, that day or in the seven days before
    it. Tokens are characters over 4.5, the rate of English in the default model's vocabulary; no
    text counts more than the 256 tokens that the default model reads of it.

    Raises:
        DayError: the lake has no day with interactions.
    """
    days = lake.days(INTERACTIONS)
    if not days:
        raise DayError("The lake has no interactions yet: plan without --observed.")
    (row,) = lake.sql(query("observed_traffic"), {"day": days[-1]}).to_pylist()
    return {name: float(value) for name, value in row.items() if value is not None}
