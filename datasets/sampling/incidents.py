"""The planted incidents: when each begins and ends, and what it does to a row or a file."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sampling import prompts
from sampling.sources import Sources, stale
from sampling.timing import Measured
from sampling.traffic import Interaction, iso, refusal

LAST_NIGHT = date(2026, 11, 22)
LOST_NIGHT = date(2026, 11, 20)
SPIKE_PROVIDER = "perplexity"
FALLBACK_MODEL = "llama-2-7b-chat"
FALLBACK_SHARE = 0.6
SPIKE_FACTOR, SPIKE_ERROR_SHARE = 4.0, 0.3
STALE_REFUSAL_SHARE = 0.5
NEW_TOPIC_SHARE = 0.25
MALFORMED: dict[date, tuple[str, ...]] = {
    date(2026, 10, 28): ("truncated", "not_utf8", "not_an_object"),
    date(2026, 11, 5): ("truncated", "no_timestamp", "bare_string"),
    date(2026, 11, 17): ("truncated", "not_utf8", "not_an_object", "no_timestamp", "nul_byte"),
}
DUPLICATES = {date(2026, 10, 30): 6, date(2026, 11, 8): 9}
RE_EXPORT_NIGHT = date(2026, 11, 8)
# The newest export says that the call took this much longer than first logged.
RE_EXPORT_EXTRA_MS = 1_000


def _utc(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@dataclass(frozen=True)
class Incident:
    """An incident that changes single interactions: within [begins, ends) on one segment."""

    id: str
    begins: datetime
    ends: datetime
    concerns: Callable[[Interaction], bool]

    def touches(self, interaction: Interaction) -> bool:
        """Whether the interaction lies in the incident's time and segment."""
        return self.begins <= interaction.started_at < self.ends and self.concerns(interaction)


_END = _utc(11, 23)
PROMPT_VERSION = Incident(
    "ask-prompt-8", _utc(11, 4), _END, lambda row: row.prompt_name == "ask-answer"
)
PROMPT_EDIT = Incident(
    "summarize-prompt-edit",
    _utc(11, 7, 13, 40),
    _END,
    lambda row: row.prompt_name == "summarize-news",
)
STALE = Incident("kb-stale-index", _utc(11, 9), _utc(11, 11), lambda row: row.route == "/kb")
WEAKER = Incident(
    "ask-weaker-model",
    _utc(11, 12),
    _utc(11, 15),
    lambda row: row.route == "/ask" and row.requested_model == "gpt-4-0613",
)
SPIKE = Incident(
    "summarize-slow-provider",
    _utc(11, 16, 9),
    _utc(11, 16, 18),
    lambda row: row.route == "/summarize" and row.provider == SPIKE_PROVIDER,
)
NEW_TOPIC = Incident("kb-new-topic", _utc(11, 18), _utc(11, 20), lambda row: row.route == "/kb")


def apply(
    row: Interaction, draw: random.Random, sources: Sources, measured: Measured
) -> Interaction:
    """`row` as the incidents of its time leave it."""
    if PROMPT_VERSION.touches(row):
        row = replace(row, prompt_version="8", system_prompt=prompts.ASK_V8)
    if PROMPT_EDIT.touches(row):
        row = replace(row, system_prompt=prompts.SUMMARIZE_EDITED)
    if STALE.touches(row):
        row = _stale(row, draw, sources)
    if WEAKER.touches(row) and draw.random() < FALLBACK_SHARE:
        row = _weaker(row, draw, sources, measured)
    if SPIKE.touches(row):
        failed = draw.random() < SPIKE_ERROR_SHARE
        row = replace(row, slower=SPIKE_FACTOR, failed=failed, planted=(*row.planted, SPIKE.id))
    if NEW_TOPIC.touches(row) and draw.random() < NEW_TOPIC_SHARE:
        item = draw.choice(sources.new_topic)
        row = replace(
            row,
            item=item,
            documents=item.documents,
            answer=item.answer,
            refused=False,
            planted=(*row.planted, NEW_TOPIC.id),
        )
    return row


def _stale(row: Interaction, draw: random.Random, sources: Sources) -> Interaction:
    others = [item for item in sources.kb_answerable if item.key != row.item.key]
    documents = stale(draw.choice(others), row.item.query)
    row = replace(row, documents=documents, planted=(*row.planted, STALE.id))
    if not row.refused and draw.random() < STALE_REFUSAL_SHARE:
        row = replace(row, answer=refusal(draw), refused=True)
    return row


def _weaker(
    row: Interaction, draw: random.Random, sources: Sources, measured: Measured
) -> Interaction:
    """The same question (source) answered by the fallback model, with that model's real answer."""
    source = row.item.key.split("-")[0]
    own = [item for item in sources.ask[FALLBACK_MODEL] if item.key.split("-")[0] == source]
    item = own[0] if own else draw.choice(sources.ask[FALLBACK_MODEL])
    return replace(
        row,
        model=FALLBACK_MODEL,
        item=item,
        documents=item.documents,
        answer=item.answer,
        call=measured.draw(draw, row.provider, FALLBACK_MODEL),
        planted=(*row.planted, WEAKER.id),
    )


def lost(at: datetime, busiest_hour: int) -> bool:
    """Whether the interaction of time `at` never reached the log."""
    return at.date() == LOST_NIGHT and at.hour == busiest_hour


@dataclass(frozen=True)
class Broken:
    """One planted bad line: where it stands (1-based line of its file) and what is wrong."""

    night: date
    line: int
    fault: str


def break_lines(
    lines: list[bytes], night: date, draw: random.Random
) -> tuple[list[bytes], list[Broken]]:
    """`lines` with the night's malformed lines put in between; no real line is lost."""
    result = list(lines)
    faults = MALFORMED.get(night, ())
    places = sorted(draw.sample(range(1, len(lines)), len(faults)))
    broken = []
    for added, (place, fault) in enumerate(zip(places, faults, strict=True)):
        result.insert(place + added, _malformed(fault, json.loads(draw.choice(lines)), draw))
        broken.append(Broken(night, place + added + 1, fault))
    return result, broken


def _malformed(fault: str, record: dict[str, Any], draw: random.Random) -> bytes:
    # Its own identity: a bad line must not pass for a duplicate of a good one.
    record["request_id"] = f"req-{draw.getrandbits(64):016x}"
    if "id" in record["response"]:
        record["response"]["id"] = f"chatcmpl-{draw.getrandbits(96):024x}"
    if fault == "no_timestamp":
        del record["timestamp"]
        record["response"].pop("created", None)
    text = dump(record)
    if fault == "truncated":
        return text[: len(text) * 2 // 3].decode(errors="ignore").encode()
    if fault == "not_utf8":
        return text.replace(b'"app":"helpdesk"', b'"app":"helpdesk \xe9\xff"')
    if fault == "nul_byte":
        return text.replace(b'"app":"helpdesk"', b'"app":"help\x00desk"')
    if fault == "not_an_object":
        return dump([record["request_id"], 200, None])
    if fault == "bare_string":
        return dump("log rotated")
    return text


def dump(value: object) -> bytes:
    """Compact JSON, UTF-8, no line end."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Repeated:
    """What was exported twice on a night: exact copies, and one record with a newer state."""

    night: date
    copies: tuple[str, ...]
    re_exported: str | None = None
    newest_latency_ms: int | None = None


def repeat_lines(
    lines: list[bytes], night: date, draw: random.Random
) -> tuple[list[bytes], Repeated | None]:
    """`lines` with the night's repetitions at their end, as a second export appends them."""
    if night not in DUPLICATES:
        return lines, None
    good = [n for n, text in enumerate(lines) if json.loads(text)["status_code"] == 200]
    chosen = sorted(draw.sample(good, DUPLICATES[night] + 1))
    updated = chosen.pop(draw.randrange(len(chosen))) if night == RE_EXPORT_NIGHT else chosen.pop()
    copies = tuple(str(json.loads(lines[n])["response"]["id"]) for n in chosen)
    result = lines + [lines[n] for n in chosen]
    if night != RE_EXPORT_NIGHT:
        return result, Repeated(night, copies)
    first, newest = json.loads(lines[updated]), json.loads(lines[updated])
    ended = datetime.fromisoformat(first["timestamp"]) + timedelta(seconds=30)
    first["updated_at"] = iso(ended)
    newest["updated_at"] = iso(ended + timedelta(hours=1))
    newest["latency_ms"] += RE_EXPORT_EXTRA_MS
    result[updated] = dump(first)
    result.append(dump(newest))
    return result, Repeated(night, copies, newest["response"]["id"], newest["latency_ms"])
