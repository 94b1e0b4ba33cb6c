"""The detector of prompt changes: new versions, and texts that changed without a new version."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from evalkit.detection.causes import MIN_USES
from evalkit.detection.contract import Finding, History, Severity, detector
from evalkit.detection.wording import place

__all__ = ["prompts"]

_DIFF_LINES = 24
_DIFF_CHARACTERS = 1500
_LINE_CHARACTERS = 240


@detector("prompts", version="1")
def prompts(history: History) -> list[Finding]:
    """Finds prompt versions that were not seen before, and texts edited without a new version.

    A version is new when its prompt was in use before and this version was not (fewer than 5 uses
    over the look-back count as not seen). It is a warning when its mean prompt tokens exceed those
    of the version used before by the smallest ratio worth a finding. An edit is a new text under a
    name and version that had another text before. What was seen before comes back without a
    finding: versions and texts that alternate are experiments.
    """
    uses = [use for use in _uses(history) if use.day <= history.day]
    found: list[Finding] = []
    for name in sorted({use.name for use in uses}):
        mine = [use for use in uses if use.name == name]
        past = [use for use in mine if use.day < history.day]
        today = [use for use in mine if use.day == history.day]
        if not _seen(past):
            continue
        for version in sorted({use.version for use in today}):
            now = [use for use in today if use.version == version]
            before = [use for use in past if use.version == version]
            if not _seen(now):
                continue
            if not _seen(before):
                found.append(_new_version(history, name, version, past, now))
            else:
                found.extend(_edit(name, version, before, now))
    return found


@dataclass(frozen=True)
class _Use:
    """One prompt text on one day."""

    day: date
    name: str
    version: str
    fingerprint: str
    route: str | None
    template: str
    n: int
    first_seen: datetime | None
    tokens: float | None


def _uses(history: History) -> list[_Use]:
    rows: list[dict[str, Any]] = history.prompts.to_pylist()
    found = [
        _Use(
            day=row["day"],
            name=row["name"],
            version=row["version"] or "",
            fingerprint=row["fingerprint"],
            route=row["route"],
            template=row["template"] or "",
            n=int(row["n"] or 0),
            first_seen=row["first_seen"],
            tokens=row["tokens_input"],
        )
        for row in rows
        if row["day"] is not None and row["name"] is not None and row["fingerprint"] is not None
    ]
    return sorted(found, key=lambda use: (use.day, use.name, use.version, use.fingerprint))


def _seen(uses: Iterable[_Use]) -> bool:
    return sum(use.n for use in uses) >= MIN_USES


def _tokens(uses: Iterable[_Use]) -> float | None:
    known = [(use.n, use.tokens) for use in uses if use.tokens is not None and use.n > 0]
    rows = sum(n for n, _ in known)
    return sum(n * tokens for n, tokens in known) / rows if rows else None


def _first(uses: Iterable[_Use]) -> datetime | None:
    return min((use.first_seen for use in uses if use.first_seen is not None), default=None)


def _main(uses: Iterable[_Use]) -> _Use:
    """The text that was used most; of equals the first by hash."""
    total: dict[str, int] = {}
    last: dict[str, _Use] = {}
    for use in uses:
        total[use.fingerprint] = total.get(use.fingerprint, 0) + use.n
        last[use.fingerprint] = use
    return last[min(total, key=lambda fingerprint: (-total[fingerprint], fingerprint))]


def _new_version(
    history: History, name: str, version: str, past: list[_Use], now: list[_Use]
) -> Finding:
    by_day = {day: [use for use in past if use.day == day] for day in {use.day for use in past}}
    busy = [day for day, uses in by_day.items() if _seen(uses)]
    latest = by_day[max(busy or by_day)]
    previous_version = _main(latest).version
    previous = [use for use in past if use.version == previous_version]
    before, after = _tokens(previous), _tokens(now)
    ratio = after / before - 1 if before and after is not None else None
    severity: Severity = "info"
    growth = ""
    if ratio is not None and before is not None and after is not None:
        growth = f"; prompt tokens {before:,.0f} to {after:,.0f} ({ratio * 100:+.0f} %)"
        if ratio > history.settings.min_effect_ratio:
            severity = "warning"
    new, old = _main(now), _main(previous)
    detail = {
        "version": version,
        "fingerprint": new.fingerprint,
        "previous_fingerprint": old.fingerprint,
    }
    if previous_version:
        detail["previous_version"] = previous_version
    changes = _diff(old, new)
    if changes:
        detail["diff"] = changes
    followed = f" (after {previous_version})" if previous_version else ""
    where = place("route", new.route) if new.route else ""
    return Finding(
        kind="prompt_version",
        severity=severity,
        title=f"Prompt {name}: new version {version or '(none)'}{followed}{where}{growth}",
        metric="tokens_input",
        segment="prompt_name",
        value_of_segment=name,
        key=version,
        event=True,
        before=before,
        after=after,
        effect=ratio,
        effect_kind="ratio",
        n=sum(use.n for use in now),
        since=history.day,
        since_at=_first(now),
        detail=detail,
    )


def _edit(name: str, version: str, before: list[_Use], now: list[_Use]) -> list[Finding]:
    """At most one finding: of several new texts the one that was used most."""
    new = [
        use
        for use in now
        if use.n >= MIN_USES and not _seen(u for u in before if u.fingerprint == use.fingerprint)
    ]
    old = [use for use in before if _seen(u for u in before if u.fingerprint == use.fingerprint)]
    if not new or not old:
        return []
    text = _main(new)
    last = _main([use for use in old if use.day == max(u.day for u in old)])
    was, after = _tokens(u for u in old if u.fingerprint == last.fingerprint), _tokens([text])
    detail = {
        "version": version,
        "fingerprint": text.fingerprint,
        "previous_fingerprint": last.fingerprint,
        "diff": _diff(last, text),
    }
    if len(new) > 1:
        detail["other_new_texts"] = str(len(new) - 1)
    label = f" version {version}" if version else ""
    remedy = "without a new version" if version else "(it has no version)"
    when = f" at {text.first_seen:%H:%M} UTC" if text.first_seen else ""
    where = place("route", text.route) if text.route else ""
    return [
        Finding(
            kind="prompt_edit",
            severity="warning",
            title=f"The text of prompt {name}{label} changed {remedy}{where}{when}",
            metric="tokens_input",
            segment="prompt_name",
            value_of_segment=name,
            key=f"{version}\0{text.fingerprint}",
            event=True,
            before=was,
            after=after,
            effect=after / was - 1 if was and after is not None else None,
            effect_kind="ratio",
            n=text.n,
            since=text.day,
            since_at=text.first_seen,
            detail=detail,
        )
    ]


def _diff(old: _Use, new: _Use) -> str:
    """A short unified diff of two texts, cut to a bounded length with a mark where it was cut."""
    lines = [
        line[:_LINE_CHARACTERS]
        for line in difflib.unified_diff(
            old.template.splitlines()[:400],
            new.template.splitlines()[:400],
            fromfile=f"{old.version or old.fingerprint}",
            tofile=f"{new.version or new.fingerprint}",
            lineterm="",
            n=1,
        )
    ]
    text = "\n".join(lines[:_DIFF_LINES])[:_DIFF_CHARACTERS]
    cut = len(lines) > _DIFF_LINES or len("\n".join(lines)) > _DIFF_CHARACTERS
    return f"{text}\n..." if cut else text
