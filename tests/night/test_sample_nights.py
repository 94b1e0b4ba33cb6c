"""Thirty nights of sample traffic: what was planted is named on its night, and little else is."""

from __future__ import annotations

import datetime as dt
import html
import tomllib
from typing import Any

import pytest

from evalkit.schema import DAILY, INTERACTIONS, SCORES, TABLES
from tests.night.sample import SAMPLE, Nights

pytestmark = pytest.mark.timeout(1500)

INCIDENTS: list[dict[str, Any]] = tomllib.loads((SAMPLE / "incidents.toml").read_text("utf-8"))[
    "incident"
]
#: Which kinds of finding name which kind of incident.
NAMES = {
    "prompt_version": {"prompt_version"},
    "prompt_edit": {"prompt_edit"},
    "lost_hour": {"missing_data"},
    "stale_retrieval": {"level_change"},
    "weaker_model": {"level_change"},
    "latency_spike": {"level_change"},
}
EXPECTED = [incident for incident in INCIDENTS if incident["kind"] in NAMES]
#: The metrics that are about the incident itself, not its side effects.
ABOUT = {
    "stale_retrieval": {
        "context_relevance",
        "context_precision",
        "groundedness",
        "hallucination",
        "answer_relevance",
    },
    "weaker_model": {"model_fallback", "hallucination", "groundedness"},
    "latency_spike": {"latency_ms", "ttft_ms", "failed"},
}


def new_findings(nights: Nights) -> list[dict[str, Any]]:
    return nights.lake.sql(
        "SELECT * FROM findings WHERE status = 'new' ORDER BY day, finding_id"
    ).to_pylist()


def touches(finding: dict[str, Any], incident: dict[str, Any]) -> bool:
    """True unless the finding is about another value of a column that the incident is limited to."""
    segment = incident.get("segment", {})
    name = finding["segment"]
    return name not in segment or segment[name] == finding["value_of_segment"]


def explains(incident: dict[str, Any], finding: dict[str, Any]) -> bool:
    """Whether an incident may honestly have caused a finding."""
    if not incident["first_night"] <= finding["day"] <= incident["last_night"]:
        return False
    if finding["kind"] in NAMES.get(incident["kind"], set()) and finding["kind"] != "level_change":
        return True
    return finding["metric"] in incident["metrics"] and touches(finding, incident)


def test_the_run_ends_well(nights: Nights) -> None:
    assert nights.exit_code in {0, 1}, nights.stderr[-3000:]
    assert len(nights.lake.days(DAILY)) == 30


def test_nothing_asked_for_the_network(nights: Nights) -> None:
    assert "NETWORK" not in nights.stderr
    assert nights.exit_code in {0, 1}


@pytest.mark.parametrize("incident", EXPECTED, ids=[incident["id"] for incident in EXPECTED])
def test_each_incident_is_named_on_its_night(nights: Nights, incident: dict[str, Any]) -> None:
    kinds, about = NAMES[incident["kind"]], ABOUT.get(incident["kind"])
    last = incident["last_night"] if "level_change" in kinds else incident["first_night"]
    naming = [
        finding
        for finding in new_findings(nights)
        if finding["kind"] in kinds
        and incident["first_night"] <= finding["day"] <= last
        and touches(finding, incident)
        and (about is None or finding["metric"] in about)
    ]
    assert naming, f"{incident['id']} was not found"
    page = (nights.pages / f"{naming[0]['day']}.html").read_text("utf-8")
    assert naming[0]["finding_id"] in html.unescape(page), "the night's page does not show it"


def test_quiet_nights_stay_quiet(nights: Nights) -> None:
    unexplained = [
        f"{finding['day']} {finding['title']}"
        for finding in new_findings(nights)
        if not any(explains(incident, finding) for incident in INCIDENTS)
    ]
    assert len(unexplained) <= 2, "\n".join(unexplained)


def test_every_record_is_accounted_for(nights: Nights) -> None:
    counts = nights.lake.sql(
        "SELECT sum(received) AS received, sum(accepted) AS accepted, sum(duplicate) AS duplicate, "
        "sum(rejected) AS rejected FROM ledger WHERE kind = 'hour'"
    ).to_pylist()[0]
    head = tomllib.loads((SAMPLE / "incidents.toml").read_text("utf-8"))["sample"]
    assert (
        counts["received"]
        == counts["accepted"] + counts["duplicate"] + counts["rejected"]
        == head["lines"]
    )
    assert counts["accepted"] == head["interactions"] == nights.lake.read(INTERACTIONS).num_rows
    assert nights.lake.read(SCORES).num_rows == head["interactions"]


def test_no_metric_is_without_a_reason(nights: Nights) -> None:
    """Design rule 2: a value and status ok, or no value and another status; never NaN."""
    scores = nights.lake.read(SCORES)
    for name in scores.column_names:
        if name.endswith("__status"):
            metric = name.removesuffix("__status")
            wrong = nights.lake.sql(
                f"SELECT count(*) AS n FROM scores WHERE (\"{metric}\" IS NOT NULL) <> (coalesce(\"{name}\", '') = 'ok') "
                f'OR isnan("{metric}")'
            )
            assert wrong.to_pylist() == [{"n": 0}], metric


def test_pages_are_small_and_need_nothing(nights: Nights) -> None:
    pages = sorted(nights.pages.glob("2026-*.html"))
    assert len(pages) == 30
    for page in [*pages, nights.pages / "index.html"]:
        text = page.read_text("utf-8")
        assert len(text.encode()) <= 2_000_000
        assert "<script" not in text.lower()
        assert "http://" not in text.replace("http://www.w3.org/", "")


def test_a_second_run_has_nothing_to_do_and_a_forced_one_gives_the_same(nights: Nights) -> None:
    from tests.night.sample import evalkit

    config = str(nights.folder / "evalkit.toml")
    span = ("--from", "2026-11-19", "--to", "2026-11-20")
    done = evalkit("backfill", "-c", config, *span)
    assert "nothing has changed" in done.stdout, done.stderr
    days = (dt.date(2026, 11, 19), dt.date(2026, 11, 20))
    tables = [table for table in TABLES if table.name != "ledger"]
    before = {table.name: nights.lake.read(table, *days) for table in tables}
    pages = {day: (nights.pages / f"{day}.html").read_bytes() for day in days}
    done = evalkit("backfill", "-c", config, *span, "--again")
    assert done.returncode in {0, 1, 2}, done.stderr
    for table in tables:
        assert nights.lake.read(table, *days).equals(before[table.name]), table.name
    for day in days:
        assert (nights.pages / f"{day}.html").read_bytes() == pages[day]
