"""Who a finding is over the nights: its id, whether it is new, goes on or is over, and since
when."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from evalkit.detection.contract import Finding
from evalkit.detection.episodes import EVENT, open_rows
from evalkit.schema import FINDINGS

__all__ = ["SEVERITIES", "finding_id", "identify", "table"]

#: From the least to the most severe.
SEVERITIES = ("info", "warning", "critical")
_ID_LENGTH = 12


def finding_id(finding: Finding) -> str:
    """The same id every night that the same thing goes on.

    Returns:
        The first 12 hexadecimal digits of sha256(kind, metric, segment, value, key), joined by NUL,
        which no name holds, so that no two findings share a text.

    >>> finding_id(Finding("level_change", "info", "", metric="mrr", key="up"))
    '596ddf374780'
    """
    parts = (
        finding.kind,
        finding.metric or "",
        finding.segment,
        finding.value_of_segment,
        finding.key,
    )
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_ID_LENGTH]


def identify(
    found: Mapping[str, Iterable[Finding]],
    earlier: pa.Table,
    day: date,
    failed: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Give the findings of one night their id, status and first day, and close those that are over.

    Args:
        found: findings by the name of their detector.
        earlier: rows of `schema.FINDINGS` of nights before `day`.
        day: the night.
        failed: detectors that could not look tonight: what they had open stays open, unchanged.
    Returns:
        Rows of `schema.FINDINGS` without examples, most severe first, then by id. What was open on
        its last night and is not found tonight is written once more, with status resolved.
    """
    before = {row["finding_id"]: row for row in open_rows(earlier) if row["day"] < day}
    rows: dict[str, dict[str, Any]] = {}
    for name in sorted(found):
        for finding in found[name]:
            row = _row(name, finding, day)
            known = before.get(row["finding_id"])
            if known is not None and not finding.event:
                row["status"] = "ongoing"
                row["since"] = known["since"] or known["day"]
                row["since_at"] = known["since_at"] or row["since_at"]
                # What coincided with the beginning does not change, but may leave the look-back.
                row["cause"] = row["cause"] or known["cause"]
            held = rows.get(row["finding_id"])
            if held is None or _weight(row) > _weight(held):
                rows[row["finding_id"]] = row
    silent = set(failed)
    for name, known in before.items():
        if name in rows:
            continue
        status = "ongoing" if known["detector"] in silent else "resolved"
        rows[name] = {**known, "day": day, "status": status, "detail": dict(known["detail"] or [])}
    return sorted(
        rows.values(),
        key=lambda r: (r["status"] == "resolved", -_weight(r), r["finding_id"]),
    )


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table of `schema.FINDINGS`."""
    return pa.Table.from_pylist(
        [{**row, "detail": sorted(row["detail"].items())} for row in rows], schema=FINDINGS.schema
    )


def _weight(row: Mapping[str, Any]) -> int:
    return SEVERITIES.index(row["severity"]) if row["severity"] in SEVERITIES else 0


def _row(detector: str, finding: Finding, day: date) -> dict[str, Any]:
    detail = {str(name): str(value) for name, value in finding.detail.items()}
    if finding.event:
        detail[EVENT] = "true"
    return {
        "day": day,
        "finding_id": finding_id(finding),
        "detector": detector,
        "kind": finding.kind,
        "severity": finding.severity,
        "metric": finding.metric,
        "segment": finding.segment,
        "value_of_segment": finding.value_of_segment,
        "title": finding.title,
        "before": finding.before,
        "after": finding.after,
        "effect": finding.effect,
        "effect_kind": finding.effect_kind,
        "lower": finding.lower,
        "upper": finding.upper,
        "p_value": finding.p_value,
        "n": finding.n,
        "since": finding.since or day,
        "since_at": finding.since_at,
        "cause": finding.cause,
        "detail": detail,
        "examples": [],
        "status": "new",
    }
