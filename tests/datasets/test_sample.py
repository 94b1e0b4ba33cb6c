"""The committed sample traffic: whole, as incidents.toml says, and made again from its sources."""

import gzip
import json
import statistics
import subprocess
import sys
import tomllib
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "datasets" / "sample"
SHARED = ROOT.parent / "shared" / "data"
FIRST, LAST = date(2026, 10, 24), date(2026, 11, 22)
NIGHTS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
RECORD = tomllib.loads((SAMPLE / "incidents.toml").read_text(encoding="utf-8"))
INCIDENTS = {incident["kind"]: incident for incident in RECORD["incident"]}
PLANTED_FILES = {
    f"{n}.jsonl.gz" for k in ("malformed", "duplicates") for n in INCIDENTS[k]["nights"]
}

Row = dict[str, Any]


def raw_lines(night: date) -> list[bytes]:
    content = gzip.decompress((SAMPLE / "logs" / f"{night}.jsonl.gz").read_bytes())
    assert content.endswith(b"\n")
    return content[:-1].split(b"\n")


def parsed(raw: bytes) -> Row | None:
    """The record of a line, or None where no reader could take it."""
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "timestamp" in record else None


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Every interaction once, the newest state of each, in file order."""
    newest: dict[str, Row] = {}
    for night in NIGHTS:
        for raw in raw_lines(night):
            row = parsed(raw)
            if row is not None:
                known = newest.get(row["request_id"], row)
                if row.get("updated_at", "") >= known.get("updated_at", ""):
                    newest[row["request_id"]] = row
    return list(newest.values())


@pytest.fixture(scope="module")
def labels() -> dict[str, int]:
    text = (SAMPLE / "labels.jsonl").read_text(encoding="utf-8")
    verdicts = [json.loads(line) for line in text.splitlines()]
    assert {verdict["metric"] for verdict in verdicts} == {"hallucination"}
    assert {verdict["value"] for verdict in verdicts} == {0, 1}
    by_id = {verdict["source_id"]: verdict["value"] for verdict in verdicts}
    assert len(by_id) == len(verdicts)
    return by_id


def at(row: Row) -> datetime:
    return datetime.fromisoformat(row["timestamp"])


def route(row: Row) -> str:
    return str(row["metadata"]["route"])


def answered(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["status_code"] == 200]


def within(rows: list[Row], incident: Row) -> list[Row]:
    return [row for row in rows if incident["begins_at"] <= at(row) < incident["ends_at"]]


def before(rows: list[Row], incident: Row) -> list[Row]:
    return [row for row in rows if at(row) < incident["begins_at"]]


def input_tokens(row: Row) -> int:
    return int(row["response"]["usage"]["prompt_tokens"])


def answer(row: Row) -> str:
    return str(row["response"]["choices"][0]["message"]["content"])


def system_prompt(row: Row) -> str:
    return str(row["request"]["messages"][0]["content"])


def test_there_is_one_file_for_each_of_the_30_nights() -> None:
    names = sorted(path.name for path in (SAMPLE / "logs").iterdir())
    assert names == [f"{night}.jsonl.gz" for night in NIGHTS]
    assert len(names) == 30


def test_the_counts_of_the_record_add_up(rows: list[Row], labels: dict[str, int]) -> None:
    sample = RECORD["sample"]
    lines = sum(len(raw_lines(night)) for night in NIGHTS)
    extra = INCIDENTS["malformed"]["size"] + INCIDENTS["duplicates"]["size"]
    assert len(rows) == sample["interactions"]
    assert lines == sample["lines"] == len(rows) + extra
    assert sum(row["status_code"] != 200 for row in rows) == sample["failed"]
    assert len(labels) == sample["labels"]
    assert 3_800 <= len(rows) <= 4_600


def test_the_sample_is_small_enough_to_commit() -> None:
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert size <= 6_000_000


@pytest.mark.parametrize("night", [n for n in NIGHTS if f"{n}.jsonl.gz" not in PLANTED_FILES])
def test_each_line_of_a_clean_night_is_a_record_of_that_night(night: date) -> None:
    records = [parsed(raw) for raw in raw_lines(night)]
    assert all(record is not None for record in records)
    good = [record for record in records if record is not None]
    assert {at(record).date() for record in good} == {night}
    assert [at(record) for record in good] == sorted(at(record) for record in good)
    ids = [record["request_id"] for record in good]
    assert len(set(ids)) == len(ids)


def test_usage_follows_the_stated_token_rule(rows: list[Row]) -> None:
    def tokens(text: str) -> int:
        return -(-len(text) // 4)

    for row in answered(rows):
        usage, messages = row["response"]["usage"], row["request"]["messages"]
        assert usage["prompt_tokens"] == sum(tokens(m["content"]) + 4 for m in messages) + 3
        assert usage["completion_tokens"] == tokens(answer(row))
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert usage["prompt_tokens_details"]["cached_tokens"] <= tokens(system_prompt(row))


def test_stages_add_up_to_the_latency(rows: list[Row]) -> None:
    re_exported = INCIDENTS["duplicates"]["measured"]["re_exported_id"]
    for row in rows:
        if row["response"].get("id") != re_exported:
            stages = row["metadata"]["stages"]
            assert sum(stage["duration_ms"] for stage in stages) == row["latency_ms"]
            assert row["ttft_ms"] is None or row["ttft_ms"] <= row["latency_ms"]


def test_an_error_has_a_message_and_no_answer(rows: list[Row]) -> None:
    failed = [row for row in rows if row["status_code"] != 200]
    assert failed
    for row in failed:
        assert row["status_code"] == 429
        assert set(row["response"]) == {"error"}
        assert {"message", "type", "code"} <= set(row["response"]["error"])


def test_every_ragtruth_answer_has_a_verdict_and_no_other(
    rows: list[Row], labels: dict[str, int]
) -> None:
    expected = {row["response"]["id"] for row in answered(rows) if route(row) != "/kb"}
    assert set(labels) == expected


def test_every_served_model_has_a_price(rows: list[Row]) -> None:
    prices = json.loads((SAMPLE / "prices.json").read_text(encoding="utf-8"))
    served = {row["response"]["model"] for row in answered(rows)}
    assert served == set(prices)
    for row in answered(rows):
        if row["response"]["usage"]["prompt_tokens_details"]["cached_tokens"]:
            assert "cache_read_input_token_cost" in prices[row["response"]["model"]]


def test_half_of_the_traffic_is_ask_and_weekends_are_quieter(rows: list[Row]) -> None:
    counts = Counter(route(row) for row in rows)
    assert 0.46 <= counts["/ask"] / len(rows) <= 0.56
    by_night = Counter(at(row).date() for row in rows)
    weekend = statistics.fmean(by_night[n] for n in NIGHTS if n.weekday() >= 5)
    working = statistics.fmean(by_night[n] for n in NIGHTS if n.weekday() < 5)
    assert weekend < 0.75 * working


def test_busiest_hours_of_working_days_carry_twelve_rows(rows: list[Row]) -> None:
    hour = RECORD["sample"]["busiest_hour_utc"]
    quiet = [n for n in NIGHTS if n.weekday() < 5 and n != INCIDENTS["lost_hour"]["first_night"]]
    counts = Counter(at(row).date() for row in rows if at(row).hour == hour)
    assert statistics.fmean(counts[night] for night in quiet) >= 12


def test_quiet_nights_vary_as_chance_would(rows: list[Row], labels: dict[str, int]) -> None:
    # Chi-square of the nightly label counts over the nights before the first incident, /ask and
    # /summarize apart: neither a trend nor a mix that is more even than independent draws.
    quiet_until = INCIDENTS["prompt_version"]["begins_at"]
    statistic, freedom = 0.0, 0
    for one_route in ("/ask", "/summarize"):
        nights: dict[date, list[int]] = {}
        for row in answered(rows):
            if route(row) == one_route and at(row) < quiet_until:
                nights.setdefault(at(row).date(), []).append(labels[row["response"]["id"]])
        rate = statistics.fmean(value for values in nights.values() for value in values)
        for values in nights.values():
            expected = rate * len(values)
            statistic += (sum(values) - expected) ** 2 / (expected * (1 - rate))
        freedom += len(nights) - 1
    # 20 degrees of freedom: 0.5 % and 99.5 % points of chi-square.
    assert freedom == 20
    assert 7.43 < statistic < 40.0


def test_prompt_version_8_inflates_the_input(rows: list[Row]) -> None:
    incident = INCIDENTS["prompt_version"]
    ask = [row for row in answered(rows) if route(row) == "/ask"]
    old, new = before(ask, incident), within(ask, incident)
    assert {row["metadata"]["prompt_version"] for row in old} == {"7"}
    assert {row["metadata"]["prompt_version"] for row in new} == {"8"}
    ratio = statistics.fmean(map(input_tokens, new)) / statistics.fmean(map(input_tokens, old))
    assert ratio == pytest.approx(incident["size"], abs=1e-4)
    assert ratio >= 1.6
    assert incident["measured"]["cost_ratio"] > 1.2


def test_the_edited_prompt_keeps_its_version_label(rows: list[Row]) -> None:
    incident = INCIDENTS["prompt_edit"]
    mine = [row for row in rows if route(row) == "/summarize"]
    (old,) = {system_prompt(row) for row in before(mine, incident)}
    (new,) = {system_prompt(row) for row in within(mine, incident)}
    measured = incident["measured"]
    assert old.replace(measured["sentence_before"], measured["sentence_after"]) == new != old
    assert {row["metadata"]["prompt_version"] for row in mine} == {"3"}


def test_the_stale_index_shows_old_passages_of_other_questions(rows: list[Row]) -> None:
    incident = INCIDENTS["stale_retrieval"]
    kb = [row for row in answered(rows) if route(row) == "/kb"]
    for row in kb:
        years = {document["updated_at"][:4] for document in row["metadata"]["documents"]}
        assert years == ({"2025"} if row in within([row], incident) else {"2026"})
    measured = incident["measured"]
    assert len(within(kb, incident)) == measured["rows"]
    short = [len(answer(row)) < 120 for row in within(kb, incident)]
    assert statistics.fmean(short) >= measured["refusal_rate_within"]
    assert measured["refusal_rate_within"] > 3 * measured["refusal_rate_before"]


def test_the_weaker_model_has_the_recorded_label_rates(
    rows: list[Row], labels: dict[str, int]
) -> None:
    incident = INCIDENTS["weaker_model"]
    requested = [
        row
        for row in answered(rows)
        if route(row) == "/ask" and row["request"]["model"] == "gpt-4-0613"
    ]

    def rate(part: list[Row]) -> float:
        return statistics.fmean(labels[row["response"]["id"]] for row in part)

    during = within(requested, incident)
    fallback = [row for row in during if row["response"]["model"] == "llama-2-7b-chat"]
    measured = incident["measured"]
    assert rate(before(requested, incident)) == pytest.approx(
        measured["label_rate_before"], abs=1e-4
    )
    assert rate(during) == pytest.approx(measured["label_rate_within"], abs=1e-4)
    assert rate(fallback) == pytest.approx(measured["label_rate_fallback"], abs=1e-4)
    assert len(fallback) / len(during) == pytest.approx(incident["size"], abs=1e-4)
    assert 0.5 <= incident["size"] <= 0.7
    replaced = {row["request_id"] for row in fallback}
    elsewhere = [row for row in answered(rows) if row["request_id"] not in replaced]
    assert all(row["response"]["model"] == row["request"]["model"] for row in elsewhere)


def test_the_slow_provider_is_slow_and_refuses(rows: list[Row]) -> None:
    incident = INCIDENTS["latency_spike"]
    provider = incident["segment"]["provider"]
    mine = [row for row in rows if row["metadata"]["provider"] == provider]
    during, measured = within(mine, incident), incident["measured"]
    refused = [row for row in during if row["status_code"] == 429]
    assert (len(during), len(refused)) == (measured["rows"], measured["rows_429"])
    assert 0.2 <= len(refused) / len(during) <= 0.4
    assert statistics.fmean(r["status_code"] == 429 for r in before(mine, incident)) <= 0.01
    slow = statistics.median(row["latency_ms"] for row in answered(during))
    calm = statistics.median(row["latency_ms"] for row in answered(before(mine, incident)))
    assert slow / calm == pytest.approx(incident["size"], abs=0.01)
    assert slow / calm >= 3


def test_the_new_topic_is_on_its_nights_only(rows: list[Row]) -> None:
    incident = INCIDENTS["new_topic"]
    new = [
        row
        for row in answered(rows)
        if any("european-union-law" in d["id"] for d in row["metadata"]["documents"])
    ]
    assert within(new, incident) == new
    assert len(new) == incident["measured"]["rows_new_topic"]
    assert 0.15 <= incident["size"] <= 0.35


def test_the_lost_hour_is_empty_and_its_neighbours_are_not(rows: list[Row]) -> None:
    incident = INCIDENTS["lost_hour"]
    hours = Counter(at(row).hour for row in rows if at(row).date() == incident["first_night"])
    lost = incident["measured"]["hour_utc"]
    assert lost == RECORD["sample"]["busiest_hour_utc"]
    assert within(rows, incident) == []
    assert hours[lost - 1] >= 5
    assert hours[lost + 1] >= 5
    assert incident["size"] >= 10


def test_malformed_lines_stand_where_the_record_says() -> None:
    said = {
        (line["file"], line["line"]): line["fault"]
        for line in INCIDENTS["malformed"]["measured"]["lines"]
    }
    found = {
        (f"{night}.jsonl.gz", number): raw
        for night in NIGHTS
        for number, raw in enumerate(raw_lines(night), start=1)
        if parsed(raw) is None
    }
    assert set(found) == set(said)
    faults: dict[str, list[bytes]] = {}
    for place, fault in said.items():
        faults.setdefault(fault, []).append(found[place])
    assert all(b"\xe9\xff" in raw for raw in faults["not_utf8"])
    assert all(b"\x00" in raw for raw in faults["nul_byte"])
    assert all(isinstance(json.loads(raw), list) for raw in faults["not_an_object"])
    assert all(isinstance(json.loads(raw), str) for raw in faults["bare_string"])
    assert all(raw.startswith(b"{") and not raw.endswith(b"}") for raw in faults["truncated"])
    for raw in faults["no_timestamp"]:
        record = json.loads(raw)
        assert "timestamp" not in record
        assert "created" not in record["response"]


def test_duplicates_are_exact_and_the_newest_export_differs(rows: list[Row]) -> None:
    measured = INCIDENTS["duplicates"]["measured"]
    for entry in measured["files"]:
        lines = raw_lines(date.fromisoformat(entry["file"].removesuffix(".jsonl.gz")))
        assert len(lines) - len(set(lines)) == entry["exact_copies"]
    (newest,) = [r for r in rows if r["response"].get("id") == measured["re_exported_id"]]
    assert newest["latency_ms"] == measured["newest_latency_ms"]
    night = date.fromisoformat(measured["re_exported_file"].removesuffix(".jsonl.gz"))
    needle = measured["re_exported_id"].encode()
    states = [json.loads(raw) for raw in raw_lines(night) if needle in raw]
    assert len(states) == 2
    assert states[0]["updated_at"] < states[1]["updated_at"]
    assert states[0]["latency_ms"] != states[1]["latency_ms"]


def test_every_incident_says_who_should_find_it_and_what_it_may_move() -> None:
    for incident in RECORD["incident"]:
        assert incident["detector"] in {"prompts", "level", "missing", "none"}
        assert FIRST <= incident["first_night"] <= incident["last_night"] <= LAST
        assert set(incident["metrics"]) <= {
            *("tokens_input", "tokens_output", "cost_usd", "latency_ms", "ttft_ms", "failed"),
            *("context_sufficiency", "context_redundancy", "context_age_days", "abandoned"),
            *("fault_retriever_miss", "fault_ranked_out", "fault_ignored_by_generator"),
            "fault_not_in_corpus",
            *("answer_relevance", "context_relevance", "context_precision", "groundedness"),
            *("hallucination", "context_utilization", "abstention", "output_valid"),
            *("model_fallback", "volume", "completeness"),
        }


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the shared data are not at {SHARED}")
def test_the_script_makes_the_committed_sample_again(tmp_path: Path) -> None:
    script = ROOT / "datasets" / "make_sample.py"
    command = [sys.executable, str(script), "--shared", str(SHARED), "--out", str(tmp_path)]
    subprocess.run(command, check=True, timeout=240)
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) == len(NIGHTS) + 3
    for name, path in made.items():
        committed, again = (SAMPLE / name).read_bytes(), path.read_bytes()
        if name.suffix == ".gz":
            # Deflate may pack the same content differently under another zlib; the header may not.
            assert committed[:9] == again[:9], f"{name}: gzip header differs"
            committed, again = gzip.decompress(committed), gzip.decompress(again)
        assert committed == again, f"{name} is not what make_sample.py makes"
