"""The one sentence at the top: was last night good, and if not, what got worse, since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from evalkit.metrics import Metric, label
from evalkit.reporting.display import clean, clip
from evalkit.reporting.summary import NightSummary
from evalkit.reporting.words import long_date, moved, plural, prose, where, worse

__all__ = ["Verdict", "effect", "headline_of", "verdict"]

Tone = Literal["good", "bad", "partial", "failed", "plain"]
_TONES: dict[str, tuple[Tone, str, str]] = {
    "healthy": ("good", "A good night", "Good"),
    "findings": ("bad", "Not a good night", "Findings"),
    "degraded": ("partial", "Not the whole picture", "Incomplete"),
    "failed": ("failed", "The night failed", "Failed"),
}


@dataclass(frozen=True)
class Verdict:
    """How the night was.

    `word` is the short form for tables, `lead` the beginning of the sentence and `rest` what
    follows; `beside` says what else changed at that time, `also` what else there is (both may be
    empty).
    """

    tone: Tone
    word: str
    lead: str
    rest: str
    beside: str
    also: str

    @property
    def sentence(self) -> str:
        return f"{self.lead}: {self.rest}" if self.rest else f"{self.lead}."


def verdict(
    night: NightSummary,
    findings: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    missing_nights: int = 0,
) -> Verdict:
    """The verdict of a night.

    Args:
        night: its outcome.
        findings: the day's, the most important first.
        metrics: every metric, by name.
        missing_nights: how many more nights of history it takes before anything can be said.
    """
    reasons = [prose(clean(reason, 400), night.day) for reason in night.reasons]
    tone, lead, word = _TONES[night.status]
    open_ones = [finding for finding in findings if finding["status"] != "resolved"]
    worth = [finding for finding in open_ones if finding["severity"] != "info"]
    if night.status in {"failed", "degraded"}:
        rest = _sentence(reasons[0]) if reasons else "no reason was given."
        told = {(finding["title"] or "").rstrip(".") for finding in worth}
        also = ". ".join(
            _lower_end(reason) for reason in reasons[1:4] if reason.rstrip(".") not in told
        )
        also = f"{also}." if also else ""
        told_already = {reason.rstrip(".") for reason in reasons}
        more = [
            finding
            for finding in worth
            if prose(clean(finding["title"] or "", 400), night.day).rstrip(".") not in told_already
        ]
        if more:
            what = _first_small(headline_of(more[0], metrics, night.day))
            top = f"Besides, {what}{_since(more[0], night)}."
            also = f"{also} {top}".strip()
        return Verdict(tone, word, lead, clip(rest, 400), "", clip(also, 600))
    if night.status == "findings" and open_ones:
        shown = worth or open_ones
        main = shown[0]
        rest = _first_small(headline_of(main, metrics, night.day)) + _since(main, night) + "."
        return Verdict(
            tone, word, lead, clip(rest, 500), _beside(main, night), _others(shown, main)
        )
    if night.status == "findings":
        rest = _sentence(reasons[0]) if reasons else ""
        return Verdict(tone, word, lead, clip(rest, 400), "", "")
    if worth:  # open, but under the severity that fails a night
        said = _first_small(headline_of(worth[0], metrics, night.day)) + _since(worth[0], night)
        count = plural(len(worth), "finding")
        also = f"{count} below the severity that you are alarmed for."
        return Verdict(
            tone, word, "No alarm", clip(f"{said}.", 500), _beside(worth[0], night), also
        )
    seen = night.counts.get("accepted")
    if missing_nights > 0 and not open_ones:
        rest = f"a verdict needs {plural(missing_nights, 'more night')} to compare with."
        return Verdict("plain", "Too early", "Too early to tell", rest, "", "")
    rest = "nothing got worse" + (f" in {plural(seen, 'interaction')}" if seen else "") + "."
    also = ""
    if open_ones:
        one = len(open_ones) == 1
        also = (
            f"{plural(len(open_ones), 'thing')} worth knowing {'stands' if one else 'stand'} below."
        )
    resolved = len(findings) - len(open_ones)
    if resolved:
        also = f"{also} {plural(resolved, 'finding')} resolved.".strip()
    return Verdict(tone, word, lead, rest, "", also)


def headline_of(
    finding: Mapping[str, Any], metrics: Mapping[str, Metric], today: date | None = None
) -> str:
    """A finding in a few words: metric, place and move; the detector's title when it has none."""
    move = moved(finding, metrics)
    if not move or finding["metric"] is None:
        title = (finding["title"] or finding["kind"] or "something changed").rstrip(". ")
        return prose(clip(title, 240), today or finding["day"])
    place = where(finding["segment"], finding["value_of_segment"])
    verb = "are" if finding["metric"].startswith("tokens") else "is"
    return f"{label(finding['metric'])}{' ' + clip(place, 80) if place else ''} {verb} {move}"


def effect(finding: Mapping[str, Any], metrics: Mapping[str, Metric]) -> str:
    """A finding's effect with its interval: `+0.13 (95 % interval +0.09 to +0.17)`."""
    value, lower, upper = finding["effect"], finding["lower"], finding["upper"]
    if value is None:
        return ""
    metric = metrics.get(finding["metric"] or "")
    unit = metric.unit if metric else "score"
    if finding["metric"] is None:  # a count of records
        text = [f"{number:+,.0f}" for number in (value, lower, upper) if number is not None]
    elif finding["effect_kind"] == "ratio":
        text = [f"{number * 100:+,.0f} %" for number in (value, lower, upper) if number is not None]
    elif unit == "share":
        text = [f"{number * 100:+.1f}" for number in (value, lower, upper) if number is not None]
        text[0] += " points"
    elif unit in {"score", "probability"}:
        digits = 2 if abs(value) >= 0.02 else 3
        text = [f"{number:+.{digits}f}" for number in (value, lower, upper) if number is not None]
    else:
        text = [f"{number:+,.3g}" for number in (value, lower, upper) if number is not None]
    text = [part.replace("-", "−") for part in text]
    return f"{text[0]} (95 % interval {text[1]} to {text[2]})" if len(text) == 3 else text[0]


def got_worse(finding: Mapping[str, Any], metrics: Mapping[str, Metric]) -> bool | None:
    """Whether a finding's figure moved in the bad direction."""
    return worse(finding["before"], finding["after"], metrics.get(finding["metric"] or ""))


def _since(finding: Mapping[str, Any], night: NightSummary) -> str:
    day = finding["since"]
    return f" since {long_date(day, night.day)}" if day is not None and day < night.day else ""


def _beside(finding: Mapping[str, Any], night: NightSummary) -> str:
    cause = prose((finding["cause"] or "").strip().rstrip("."), night.day)
    return f"{clip(cause, 300)}." if cause else ""


def _others(told: Sequence[Mapping[str, Any]], top: Mapping[str, Any]) -> str:
    """How many of the findings that are told stand beside the top one."""
    others = [finding for finding in told if finding is not top]
    new = sum(finding["status"] == "new" for finding in others)
    if not others:
        return ""
    text = f"{plural(len(others), 'more finding')} below"
    if new == len(others):
        return f"{text}, {({1: 'new', 2: 'both new'}).get(new, 'all new')}."
    return f"{text}, {new} of them new." if new else f"{text}."


def _sentence(text: str) -> str:
    return f"{_first_small(text.strip().rstrip('.'))}."


def _lower_end(text: str) -> str:
    return text.strip().rstrip(".")


def _first_small(text: str) -> str:
    """The text as it goes on in a sentence: `Cost` becomes `cost`, `LLM` stays."""
    word = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if word[1:].islower() or len(word) == 1 else text
