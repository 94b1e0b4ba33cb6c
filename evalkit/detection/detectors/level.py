"""The detector of level changes: metrics that left their normal level, tonight or over the last
three nights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from evalkit.detection.causes import cause
from evalkit.detection.contract import Finding, History, Severity, detector
from evalkit.detection.episodes import Episode, episodes
from evalkit.detection.folding import Candidate, Group, family, fold, goodness, overlap
from evalkit.detection.series import Key, Series, by_key
from evalkit.detection.shifts import Shift, began, scale_of, shift
from evalkit.detection.wording import metric_name, moved, place
from evalkit.metrics import Metric, format_value
from evalkit.stats.multiple import benjamini_hochberg

__all__ = ["level"]

KIND = "level_change"
#: This share of the false-alarm budget is spent here, the rest on missing data.
BUDGET_SHARE = 0.8
_NIGHTS_A_MONTH = 30
WINDOWS = (1, 3)
#: An open finding stays open while p is below this and the effect at least half of the smallest
#: worth a finding.
_STAYS_OPEN_P = 0.2
_STAYS_OPEN_EFFECT = 0.5
#: What moves with an open finding is told beside it when p is below this.
_COMPANION_P = 0.01
#: It stays open at most this many nights on which its segment has too few rows to tell.
_BLIND_NIGHTS = 3
#: A change is critical from this many times the smallest effect worth a finding, or failures from
#: this rate.
CRITICAL_EFFECT = 4.0
CRITICAL_FAILURES = 0.1
_STAYS_CRITICAL = 0.75
_FAILURE_METRICS = ("failed", "failure", "error")
_ALSO_SHOWN = 8


@detector("level", version="1")
def level(history: History) -> list[Finding]:
    """Finds metrics that left their normal level, on the whole day or on a segment.

    Each metric on each segment is compared with its own earlier days, adjusted to the weekday, on
    the scale of the metric (logarithms for money, time and tokens), for tonight alone and for the
    last three nights together. A change is a finding when it is larger than the smallest effect
    worth one, and when chance alone would do this less often, over all tests of the night together,
    than the budget of false alarms allows. Shifts that overlap are folded into one finding.
    """
    night = _Night(history)
    leads = {**night.fresh(), **night.still_open()}
    found = {**leads, **night.companions(set(leads))}
    candidates = [
        Candidate(
            key,
            strength=item.strength,
            goodness=goodness(history.metrics[key[0]], item.effect),
            rows=item.n / item.window,
            effect=item.effect,
            open=key in night.open and key in leads,
            companion=key not in leads,
        )
        for key, item in found.items()
    ]
    told = [night.tell(group, found) for group in fold(candidates, history.metrics)]
    return told + night.blind(set(leads))


@dataclass(frozen=True)
class _Open:
    """An open finding: what was said of it last."""

    row: dict[str, Any]
    since: date

    @property
    def key(self) -> Key:
        return (self.row["metric"], self.row["segment"], self.row["value_of_segment"])

    def effect(self, metric: Metric) -> float:
        """The effect that was reported last, on the metric's scale."""
        value = float(self.row["effect"] or 0.0)
        return math.log1p(max(value, -0.999999)) if metric.scale == "log" else value


class _Night:
    """The series of one night with what earlier nights said of them."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.settings = history.settings
        self.day = history.day.toordinal()
        self.series = by_key(history.daily, {n: scale_of(m) for n, m in history.metrics.items()})
        self._past = [
            episode
            for episode in episodes(history.findings, [KIND])
            if episode.row["metric"] in history.metrics
        ]
        self.open: dict[Key, _Open] = {}
        for episode in self._past:
            if episode.end is None:
                item = _Open(episode.row, episode.since)
                self.open[item.key] = item

    # ── tests ──────────

    def fresh(self) -> dict[Key, Shift]:
        """Changes that no open finding stands for, after the adjustment for all tests of the
        night."""
        limit = self.settings.false_alarms_per_month * BUDGET_SHARE / _NIGHTS_A_MONTH
        keys: list[Key] = []
        tests: list[Shift | None] = []
        for key, series in self.series.items():
            if any(self._belongs(key, other) for other in self.open):
                continue
            if self._same_as_whole_day(key, series):
                continue
            for window in WINDOWS:
                known, result = self._test(key, series, window, self.settings.min_rows, 1.0, limit)
                if known:
                    keys.append(key)
                    tests.append(result)
        # A change too small to matter can be no alarm: for the adjustment its p is 1.
        p_values = [1.0 if test is None else test.p_value for test in tests]
        best: dict[Key, Shift] = {}
        for key, test, adjusted in zip(keys, tests, benjamini_hochberg(p_values), strict=True):
            if test is None or adjusted > limit or test.change.lower * test.change.upper <= 0:
                continue
            if key not in best or test.p_value < best[key].p_value:
                best[key] = test
        return best

    def still_open(self) -> dict[Key, Shift]:
        """Open findings that tonight still shows, and what moves with them, by a looser
        threshold."""
        found: dict[Key, Shift] = {}
        for key, item in self.open.items():
            result = self._persists(key, item)
            if result is not None:
                found[key] = result
        return found

    def companions(self, leads: set[Key]) -> dict[Key, Shift]:
        """What moves tonight together with open findings, to be told beside them."""
        found: dict[Key, Shift] = {}
        for key in self.series:
            if key in leads or not any(self._belongs(key, other) for other in self.open):
                continue
            known, result = self._test(
                key, self.series[key], 1, self.settings.min_rows, 1.0, _COMPANION_P
            )
            if known and result is not None and result.p_value <= _COMPANION_P:
                found[key] = result
        return found

    def _persists(self, key: Key, item: _Open) -> Shift | None:
        series = self.series.get(key)
        if series is None:
            return None
        said = item.effect(self.history.metrics[key[0]])
        for window in WINDOWS:
            _, result = self._test(
                key, series, window, self.settings.min_rows // 2, _STAYS_OPEN_EFFECT, _STAYS_OPEN_P
            )
            if (
                result is not None
                and result.effect * said > 0
                and result.p_value <= _STAYS_OPEN_P
                # The nights before keep three nights together away from normal: tonight must not be
                # back.
                and (window == 1 or result.today / said >= 1 / 3)
            ):
                return result
        return None

    def _test(
        self, key: Key, series: Series, window: int, min_rows: int, part: float, p_at_most: float
    ) -> tuple[bool, Shift | None]:
        """Whether the window can be tested, and its shift when it is at least `part` of what
        matters."""
        target = series.where(
            (series.days > self.day - window) & (series.days <= self.day) & (series.n >= 2)
        )
        if not len(target.days) or target.days[-1] != self.day:
            return False, None
        followed = key in self.open
        if not followed and (
            len(target.days) != window or any(self._abnormal(key, target.days, over=True))
        ):
            return False, None
        if target.n.sum() < min_rows * len(target.days) or target.n[-1] < min_rows / 2:
            return False, None
        baseline = self._baseline(key, series, int(target.days[0]))
        if len(baseline.days) < self.settings.min_history_days:
            return False, None
        least = self._least(self.history.metrics[key[0]]) * part
        result = shift(series, baseline, target, self.history.metrics[key[0]], least, p_at_most)
        if result is None or abs(result.effect) < least:
            return True, None
        if window > 1 and result.today * result.effect <= 0:
            return True, None
        return True, result

    def _least(self, metric: Metric) -> float:
        """The smallest effect worth a finding, on the metric's scale."""
        if metric.scale == "log":
            return math.log1p(self.settings.min_effect_ratio)
        return self.settings.min_effect_share

    # ── what is normal ──────────

    def _baseline(self, key: Key, series: Series, before: int) -> Series:
        """The newest normal days before an ordinal, at most `baseline_days` of them."""
        usable = (series.days < before) & (series.n >= 2)
        usable &= ~np.array(self._abnormal(key, series.days), dtype=np.bool_)
        chosen = np.flatnonzero(usable)[-self.settings.baseline_days :]
        mask = np.zeros(len(series.days), dtype=np.bool_)
        mask[chosen] = True
        return series.where(mask)

    def _abnormal(self, key: Key, days: Any, over: bool = False) -> list[bool]:
        """Which days lie within an episode that this series belongs to (`over`: that has ended).

        A change that lasts as long as the baseline looks back is the new normal, and its days
        count.
        """
        spans = []
        for episode in self._past:
            row = episode.row
            if over and episode.end is None:
                continue
            if not self._belongs(key, (row["metric"], row["segment"], row["value_of_segment"])):
                continue
            first, last = self._span(episode)
            # It was resolved on the night after its last day.
            lasted = last - first + (episode.end is not None)
            if lasted < self.settings.baseline_days:
                spans.append((first, last))
        return [any(first <= day < last for first, last in spans) for day in days.tolist()]

    def _span(self, episode: Episode) -> tuple[int, int]:
        end = self.day + 1 if episode.end is None else episode.end.toordinal()
        return episode.since.toordinal(), end

    def _belongs(self, key: Key, other: Key) -> bool:
        """Whether a shift of `key` would be folded into a finding on `other`."""
        metrics = self.history.metrics
        return family(metrics[key[0]]) == family(metrics[other[0]]) and overlap(key, other)

    def _same_as_whole_day(self, key: Key, series: Series) -> bool:
        """A segment that holds every row of the night is the whole day: one test is enough."""
        whole = self.series.get((key[0], "all", "all"))
        if key[1] == "all" or whole is None or not len(series.days) or not len(whole.days):
            return False
        if series.days[-1] != self.day or whole.days[-1] != self.day:
            return False
        return bool(series.n[-1] == whole.n[-1] and series.level[-1] == whole.level[-1])

    # ── findings ──────────

    def tell(self, group: Group, found: dict[Key, Shift]) -> Finding:
        key = group.lead.key
        metric = self.history.metrics[key[0]]
        item = found[key]
        change = item.change
        before, after, effect, lower, upper = (
            change.before,
            change.after,
            change.effect,
            change.lower,
            change.upper,
        )
        if metric.scale == "log":
            before, after = math.exp(before), math.exp(after)
            effect, lower, upper = math.expm1(effect), math.expm1(lower), math.expm1(upper)
        said = self.open.get(key)
        same_way = said is not None and said.effect(metric) * item.effect > 0
        since = said.since if said is not None and same_way else self._since(key, item)
        return Finding(
            kind=KIND,
            severity=self._severity(group, metric, item),
            title=moved(metric, key[1], key[2], before, after),
            metric=key[0],
            segment=key[1],
            value_of_segment=key[2],
            key="up" if item.effect > 0 else "down",
            before=before,
            after=after,
            effect=effect,
            effect_kind="ratio" if metric.scale == "log" else "difference",
            lower=lower,
            upper=upper,
            p_value=item.p_value,
            n=item.n,
            since=since,
            cause=cause(self.history.daily, self.history.prompts, key[1], key[2], since, key[0]),
            detail=self._detail(group, found),
        )

    def _since(self, key: Key, item: Shift) -> date:
        first = self.day - self.settings.baseline_days
        for episode in self._past:
            row = episode.row
            if episode.end is not None and self._belongs(
                key, (row["metric"], row["segment"], row["value_of_segment"])
            ):
                first = max(first, episode.end.toordinal())
        baseline = self._baseline(key, item.series, self.day)
        return date.fromordinal(began(baseline, item.series, item, self.day, first))

    def _severity(self, group: Group, metric: Metric, item: Shift) -> Severity:
        if group.lead.goodness > 0:
            return "info"
        said = self.open.get(group.lead.key)
        # What was critical stays so until it is clearly less: a severity that flickers is noise.
        sticky = _STAYS_CRITICAL if said is not None and said.row["severity"] == "critical" else 1.0
        if abs(item.effect) >= CRITICAL_EFFECT * sticky * self._least(metric):
            return "critical"
        failing = metric.name in _FAILURE_METRICS and item.change.after >= CRITICAL_FAILURES
        return "critical" if failing else "warning"

    def _detail(self, group: Group, found: dict[Key, Shift]) -> dict[str, str]:
        item = found[group.lead.key]
        detail = {
            "nights": str(item.window),
            "history_days": str(item.expected.days),
        }
        if group.lead.goodness > 0:
            detail["direction"] = "better"
        if item.change.standardised is not None:
            detail["effect_in_deviations"] = f"{item.change.standardised:.2f}"
        metric = group.lead.key[0]
        seen = [c.key for c in group.others if c.key[0] == metric]
        if seen:
            detail["also_seen_in"] = _listed(
                [f"{k[1]} {k[2]}" if k[1] != "all" else "the whole day" for k in seen]
            )
        others: dict[str, str] = {}
        for candidate in group.others:
            name = candidate.key[0]
            if name != metric and name not in others:
                others[name] = self._sentence(candidate.key, found[candidate.key])
        if others:
            detail["also"] = _listed(list(others.values()))
        return detail

    def _sentence(self, key: Key, item: Shift) -> str:
        metric = self.history.metrics[key[0]]
        before, after = item.change.before, item.change.after
        if metric.scale == "log":
            before, after = math.exp(before), math.exp(after)
        return (
            f"{metric_name(key[0])}{place(key[1], key[2])} "
            f"{format_value(before, metric.unit)} to {format_value(after, metric.unit)}"
        )

    def blind(self, seen: set[Key]) -> list[Finding]:
        """Open findings whose segment has too few rows tonight to tell: they stay open for a few
        nights."""
        told = []
        for key, item in sorted(self.open.items()):
            if key in seen:
                continue
            series = self.series.get(key)
            metric = self.history.metrics[key[0]]
            if (
                series is not None
                and self._test(key, series, 1, self.settings.min_rows // 2, 0.0, 1.0)[0]
            ):
                continue
            detail = dict(item.row["detail"] or [])
            nights = int(detail.get("nights_without_rows", "0")) + 1
            if nights > _BLIND_NIGHTS:
                continue
            told.append(
                Finding(
                    kind=KIND,
                    severity=item.row["severity"],
                    title=item.row["title"],
                    metric=key[0],
                    segment=key[1],
                    value_of_segment=key[2],
                    key="up" if item.effect(metric) > 0 else "down",
                    before=item.row["before"],
                    after=item.row["after"],
                    effect=item.row["effect"],
                    effect_kind=item.row["effect_kind"],
                    lower=item.row["lower"],
                    upper=item.row["upper"],
                    p_value=item.row["p_value"],
                    n=0,
                    since=item.since,
                    cause=item.row["cause"],
                    detail={**detail, "nights_without_rows": str(nights)},
                )
            )
        return told


def _listed(words: list[str]) -> str:
    shown = ", ".join(words[:_ALSO_SHOWN])
    more = len(words) - _ALSO_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
