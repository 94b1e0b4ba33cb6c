"""Whatever stands in a log, the night ends: each record becomes a row, a status or a reject, and the counts add up."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit import night
from evalkit.config import load
from evalkit.lake import Lake

DAY = dt.date(2026, 11, 22)


def line(
    i: int, answer: str | None, query: str = "What is the refund window?", **changes: Any
) -> bytes:
    """One pair of the log, with its contexts and tokens."""
    record: dict[str, Any] = {
        "timestamp": f"2026-11-22T10:{i % 60:02}:00Z",
        "request_id": f"req-{i}",
        "latency_ms": 900,
        "status_code": 200,
        "metadata": {
            "route": "/ask",
            "documents": [{"id": "kb#1", "text": "Refunds within 30 days.", "score": 0.8}],
        },
        "request": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": query}]},
        "response": {
            "id": f"r-{i}",
            "model": "gpt-4o-mini",
            "choices": [
                {"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 40, "completion_tokens": len(answer or "") // 4},
        },
    } | changes
    return json.dumps(record, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[night.Night, Lake, Path]:
    folder = tmp_path_factory.mktemp("bad")
    logs = folder / "logs"
    logs.mkdir()
    good = [line(i, f"Within {i} days of the purchase, says rule {i}.") for i in range(20)]
    odd = [
        line(100, ""),
        line(101, None),
        line(102, "word " * 100_000),
        line(103, "Yes.", metadata={"route": "/ask"}),
        line(
            104,
            "Within 30 days.",
            response={"id": "r-104", "choices": [{"message": {"content": "Within 30 days."}}]},
        ),
        line(105, "Ja 🙂👩‍👩‍👧‍👦 in 30 Tagen", "🙂?"),
        line(106, "خلال ٣٠ يومًا من الشراء", "ما هي مدة استرداد الأموال؟"),
        line(107, "\u202egnp.exe \x1b[31mred\x00", "\u202e"),
        line(108, "{{7*7}} {% for x in y %}", '=HYPERLINK("http://x")'),
    ]
    broken = [
        good[0][:200],
        b'{"a": ' + b"[" * 5000,
        b"\xff\xfe{not utf-8",
        b"[1, 2]",
        b'"a string"',
        b"null",
        b'{"request": {}, "response": {}}',
        b'{"timestamp": "yesterday", "request": {}, "response": {}}',
        b"\x00\x00\x00",
        b'{"pad": "' + b"x" * 50_000_000 + b'"}',
    ]
    (logs / "a.jsonl").write_bytes(b"\n".join(good + odd + broken) + b"\n")
    (logs / "empty.jsonl").write_bytes(b"")
    (logs / "blank.jsonl").write_bytes(b"\n\n  \n")
    (logs / "cut.jsonl.gz").write_bytes(gzip.compress(line(200, "Cut."))[:-12])
    (logs / "not-gzip.jsonl.gz").write_bytes(b"this is no gzip file")
    (folder / "evalkit.toml").write_text(
        '[sources.gateway]\nformat = "openai_log"\npath = "logs"\n[report]\ndir = "pages"\n'
        "[night]\ncompleteness_floor = 0\n"
    )
    settings = load(folder)
    finished = night.run(settings, DAY, lambda day, step, what: None)
    return finished, Lake(settings.lake_url), folder


def test_the_night_ends(done: tuple[night.Night, Lake, Path]) -> None:
    finished, _, folder = done
    assert finished.summary.status != "failed", finished.summary.reasons
    assert finished.report == folder / "pages" / "2026-11-22.html"


def test_the_counts_add_up(done: tuple[night.Night, Lake, Path]) -> None:
    finished, lake, _ = done
    counts = finished.summary.counts
    assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["rejected"]
    assert counts["accepted"] >= 29
    rejects = lake.sql(
        "SELECT file, line, reason, raw FROM rejects ORDER BY file, line"
    ).to_pylist()
    assert len(rejects) == counts["rejected"] >= 10
    assert all(row["reason"] and row["file"] for row in rejects)
    assert all(len(row["raw"] or "") <= 2000 for row in rejects)


def test_each_row_has_a_value_or_a_reason(done: tuple[night.Night, Lake, Path]) -> None:
    _, lake, _ = done
    scores = lake.sql(
        "SELECT i.source_id, s.* FROM scores s JOIN interactions i USING (day, interaction_id)"
    ).to_pylist()
    assert len(scores) >= 29
    for row in scores:
        for name, value in row.items():
            if name.endswith("__status"):
                assert (row[name.removesuffix("__status")] is not None) == (value == "ok"), (
                    row["source_id"],
                    name,
                )
    by_id = {row["source_id"]: row for row in scores}
    assert by_id["r-100"]["output_valid"] == 0.0, "an empty answer is no valid output"
    assert by_id["r-100"]["hallucination__status"] == "not_applicable"
    assert by_id["r-102"]["hallucination__status"] in {"ok", "over_budget"}
    assert by_id["r-103"]["groundedness__status"] == "not_applicable", "nothing was retrieved"
    assert by_id["r-104"]["cost_usd__status"] == "not_applicable", "no tokens: unknown is not free"
    assert by_id["r-106"]["answer_relevance__status"] == "ok"


def test_the_page_is_made(done: tuple[night.Night, Lake, Path]) -> None:
    finished, _, _ = done
    assert finished.report is not None
    text = finished.report.read_text("utf-8")
    assert len(text.encode()) < 2_000_000
    assert "\x00" not in text
