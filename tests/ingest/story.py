"""What the ingest tests share: the story that every log format tells, and ways to read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Line, Opener, Parsed, Source, Window
from evalkit.ingest.sources.openai_log import SOURCE as OPENAI_LOG

DAY = date(2026, 11, 22)
WINDOW = Window(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))

STORY: dict[str, Any] = {
    "timestamp": "2026-11-22T02:14:05.120Z",
    "latency_ms": 1380,
    "ttft_ms": 410,
    "status_code": 200,
    "user_id": "u-1842",
    "session_id": "s-77",
    "metadata": {
        "prompt": "support-answer",
        "prompt_version": "7",
        "documents": [
            {
                "id": "kb-refunds#3",
                "text": "Annual subscriptions may be refunded in full within 30 days of purchase.",
                "score": 0.82,
            }
        ],
    },
    "request": {
        "model": "gpt-4o-mini",
        "temperature": 0.2,
        "messages": [
            {"role": "system", "content": "Answer only from the context."},
            {
                "role": "user",
                "content": "Context: Annual subscriptions may be refunded in full within 30 days "
                "of purchase.\n\nQuestion: What is the refund window for annual plans?",
            },
        ],
    },
    "response": {
        "id": "chatcmpl-AbC123",
        "object": "chat.completion",
        "created": 1795313645,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Annual plans can be refunded within 30 days of purchase.",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 412,
            "completion_tokens": 14,
            "total_tokens": 426,
            "prompt_tokens_details": {"cached_tokens": 256, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "system_fingerprint": "fp_0705bf87c0",
    },
}

#: The least that is a canonical row.
ROW: dict[str, Any] = {"source_id": "a", "started_at": "2026-11-22T02:14:05.120Z"}


def copy_of(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy with changes; a double underscore goes one level down (`response__id=...`)."""
    fresh = json.loads(json.dumps(record))
    for path, value in changes.items():
        target = fresh
        *above, last = path.split("__")
        for name in above:
            target = target[name]
        target[last] = value
    return fresh


def source_settings(**values: Any) -> SourceSettings:
    return SourceSettings.model_validate({"format": "openai_log", "path": "x", **values})


def read(
    source: Source, lines: Iterable[bytes], window: Window = WINDOW, **values: Any
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Rows and rejects of lines in one file `log.jsonl`."""
    opener = Opener(
        lambda _: (Line("log.jsonl", number, data) for number, data in enumerate(lines, 1)),
        "evalkit.toml: [sources.gateway]",
    )
    steps: list[Parsed] = list(source.open(source_settings(**values), window, opener))
    return [row for step in steps for row in step.rows], [r for step in steps for r in step.rejects]


def read_openai(*records: dict[str, Any], **values: Any) -> list[dict[str, Any]]:
    """Rows of pair-log records, all of which must be readable."""
    rows, rejects = read(OPENAI_LOG, [json.dumps(record).encode() for record in records], **values)
    assert rejects == []
    return rows


def write_lines(path: Path, records: Iterable[dict[str, Any] | bytes]) -> None:
    """Write records as JSON lines; bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
