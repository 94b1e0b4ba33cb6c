"""What else changed when a metric moved: new prompts, new models, failing providers. Says what
coincided, proves nothing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from evalkit.metrics import format_value

__all__ = ["cause"]

#: Uses on a day below which a prompt text or a model is chance (tests, one-offs).
MIN_USES = 5
#: Earlier days that must be known before anything can be called new.
_MIN_DAYS = 3
#: A provider fails when its failure rate reached this and grew by as much since the days before.
_FAILING = 0.1
_FAILURE_METRICS = ("failed", "failure", "error")
_MOST = 3


def cause(
    daily: pa.Table,
    prompts: pa.Table,
    segment: str,
    value: str,
    since: date,
    metric: str | None = None,
) -> str | None:
    """What began within a day of `since` where a change was found, in words; None when nothing did.

    Args:
        daily: rows of `schema.DAILY` up to the night.
        prompts: rows of `schema.PROMPTS` up to the night.
        segment, value: where the change was found.
        since: its first day.
        metric: what changed; a failing provider does not explain its own failures.
    """
    days = (since - timedelta(days=1), since)
    told = [
        *_prompts(prompts, segment, value, days),
        *_models(daily, segment, value, days),
        *_providers(daily, segment, value, since, metric),
    ]
    return "; ".join(told[:_MOST]) or None


def _prompts(prompts: pa.Table, segment: str, value: str, days: tuple[date, date]) -> list[str]:
    rows: list[dict[str, Any]] = prompts.select(
        ["day", "name", "version", "fingerprint", "route", "n", "first_seen"]
    ).to_pylist()
    if len({row["day"] for row in rows if row["day"] < days[0]}) < _MIN_DAYS:
        return []
    place = {"route": "route", "prompt_version": "version", "prompt_name": "name"}.get(segment)
    uses: dict[tuple[str, str, str], int] = {}
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    versions: dict[tuple[str, str], date] = {}
    for row in sorted(rows, key=lambda r: (r["day"], str(r["fingerprint"]))):
        key = (str(row["name"]), str(row["version"] or ""), str(row["fingerprint"]))
        if (row["n"] or 0) > 0:
            first.setdefault(key, row)
            versions.setdefault(key[:2], row["day"])
        if row["day"] <= days[1]:
            uses[key] = uses.get(key, 0) + int(row["n"] or 0)
    names_before = {key[0] for key, row in first.items() if row["day"] < days[0]}
    told: dict[str, None] = {}
    for key, row in first.items():
        if row["day"] not in days or uses.get(key, 0) < MIN_USES:
            continue
        if place is not None and str(row[place]) != value:
            continue
        where = f" on route {row['route']}" if row["route"] else ""
        when = _moment(row)
        version = f" version {key[1]}" if key[1] else ""
        if versions[key[:2]] in days:
            what = "first seen" if key[0] in names_before else "used for the first time"
            told.setdefault(f"prompt {key[0]}{version} {what} {when}{where}")
        else:
            told.setdefault(f"the text of prompt {key[0]}{version} was changed {when}{where}")
    return list(told)


def _moment(row: dict[str, Any]) -> str:
    first = row["first_seen"]
    return f"{first:%Y-%m-%d %H:%M} UTC" if first is not None else f"{row['day']}"


def _models(daily: pa.Table, segment: str, value: str, days: tuple[date, date]) -> list[str]:
    told = []
    for column in ("model", "provider"):
        if segment == column:
            continue
        rows = _of_segment(daily, column)
        first: dict[str, date] = {}
        total: dict[date, dict[str, int]] = {}
        for row in rows:
            first[row["value_of_segment"]] = min(
                row["day"], first.get(row["value_of_segment"], row["day"])
            )
            total.setdefault(row["day"], {})[row["value_of_segment"]] = int(row["n"] or 0)
        if len([day for day in total if day < days[0]]) < _MIN_DAYS:
            continue
        for name in sorted(first):
            uses = total.get(first[name], {}).get(name, 0)
            if first[name] in days and uses >= MIN_USES:
                share = uses / max(1, sum(total[first[name]].values()))
                told.append(
                    f"{column} {name} answered for the first time on {first[name]} "
                    f"({share * 100:.0f} % of that day's traffic)"
                )
    return told


def _providers(
    daily: pa.Table, segment: str, value: str, since: date, metric: str | None
) -> list[str]:
    if metric in _FAILURE_METRICS and segment == "provider":
        return []
    chosen = pc.and_(
        pc.equal(daily["segment"], "provider"),
        pc.is_in(daily["metric"], pa.array(_FAILURE_METRICS)),
    )
    rates: dict[str, dict[date, tuple[float, float]]] = {}
    for row in (
        daily.filter(chosen).select(["day", "value_of_segment", "n_scored", "mean"]).to_pylist()
    ):
        if row["mean"] is not None:
            rates.setdefault(row["value_of_segment"], {})[row["day"]] = (
                row["n_scored"],
                row["mean"],
            )
    told = []
    for name in sorted(rates):
        before = [pair for day, pair in rates[name].items() if day < since]
        now = rates[name].get(since)
        seen = sum(n for n, _ in before)
        if now is None or seen < MIN_USES or now[0] * now[1] < MIN_USES:
            continue
        usual = sum(n * mean for n, mean in before) / seen
        if now[1] >= _FAILING and now[1] - usual >= _FAILING:
            told.append(
                f"{format_value(now[1], 'share')} of the calls to provider {name} failed on {since}"
                f" ({format_value(usual, 'share')} before)"
            )
    return told


def _of_segment(daily: pa.Table, segment: str) -> list[dict[str, Any]]:
    """One row per day and value of a segment: the counts are the same for every metric."""
    rows = daily.filter(pc.equal(daily["segment"], segment))
    grouped = rows.group_by(["day", "value_of_segment"]).aggregate([("n", "max")])
    return [
        {"day": row["day"], "value_of_segment": row["value_of_segment"], "n": row["n_max"]}
        for row in grouped.sort_by(
            [("day", "ascending"), ("value_of_segment", "ascending")]
        ).to_pylist()
    ]
