"""The page of a night: what stands on it, in which order, how large it is, what is beside it."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import report_story as story

from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.reporting import report
from evalkit.reporting.page import MAX_BYTES
from evalkit.reporting.verdict import headline_of, verdict
from evalkit.verdict import NightSummary


@pytest.fixture
def page(told, settings):
    return report(settings, *told("story"), story.METRICS).read_text()


class Outline(HTMLParser):
    """Collects the tags, headings and references of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.headings, self.open = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.references += [
            value for name, value in attrs if name in {"src", "href", "xlink:href", "action"}
        ]
        if tag in {"h1", "h2"}:
            self.open = []

    def handle_data(self, data):
        if self.open is not None:
            self.open.append(data)

    def handle_endtag(self, tag):
        if tag in {"h1", "h2"}:
            self.headings.append(" ".join("".join(self.open).split()))
            self.open = None


def test_the_page_tells_the_night_from_the_verdict_down(page):
    assert Outline(page).headings == [
        "Not a good night: prompt tokens are up from 1,650 to 2,178 since 19 November.",
        "Headline figures",
        "Findings",
        "Trends",
        "Coverage",
        "Completeness",
        "Cost",
        "Latency",
        "Prompts in use",
        "About this page",
    ]


def test_the_page_says_what_a_reader_needs(page):
    for words in (
        "model llama-2-7b-chat answered for the first time on 12 November",
        "+0.13 (95 % interval +0.09 to +0.17)",
        "since 12 November (11 nights)",
        "<mark>60 days</mark>",
        "Why it went wrong: <bdi>a better chunk was in the corpus and was not retrieved</bdi>",
        "evalkit show <bdi>112200",
        "63 requests (2\xa0%) have no known price.",
        "2,946 received = 2,902 accepted + 44 duplicate + 0 rejected",
        "none at 15:00, 16:00",
        "15:00: 0 of about 276 expected",
        "not read to its end: <bdi>the API did not answer",
        "Came late, and reopened their day: 1 record of 21 November",
        "not valid JSON: unexpected end of data",
        "9f2c41d07be35a18",
    ):
        assert words in page


def test_the_page_needs_nothing_from_outside_and_runs_nothing(page):
    outline = Outline(page)
    assert "default-src 'none'" in page
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {
        tag for tag, _ in outline.tags
    }
    assert outline.references == ["index.html"]
    assert not [name for _, attrs in outline.tags for name in attrs if name.startswith("on")]
    assert "url(" not in page


def test_charts_and_tables_can_be_read_without_seeing_them(page):
    outline = Outline(page)
    charts = [attrs for tag, attrs in outline.tags if tag == "svg"]
    assert len(charts) > 15
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") == "true" for attrs in charts)
    assert all("scope" in attrs for tag, attrs in outline.tags if tag == "th")
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_colours_have_the_contrast_of_wcag_aa():
    css = (story_pack() / "style.css").read_text()
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in css.split("@media", 1)
    )
    for palette in (light, dark):
        for name in ("ink", "soft", "faint", "bad", "warn", "good"):
            assert contrast(palette[name], palette["paper"]) >= 4.5, name
        assert contrast(palette["mark-ink"], palette["mark"]) >= 4.5
        assert contrast(palette["line"], palette["paper"]) >= 3


def story_pack():
    from evalkit.reporting.pack import shipped

    return shipped()


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio of two colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_same_tables_give_the_same_bytes(told, settings, tmp_path):
    lake, night = told("story")
    first = report(settings, lake, night, story.METRICS).read_bytes()
    again = report(settings, Lake(lake.url), night, story.METRICS).read_bytes()
    assert first == again


@pytest.mark.parametrize("kind", ["empty", "nulls", "hostile", "huge"])
def test_no_traffic_makes_the_page_fail_or_large(kind, told, settings):
    path = report(settings, *told(kind), story.METRICS)
    text = path.read_text()
    assert path.stat().st_size <= MAX_BYTES
    assert "This part could not be made" not in text
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).lower().split()


def test_many_findings_fit_on_the_page(tmp_path, settings):
    import pyarrow as pa

    from evalkit.schema import FINDINGS

    lake = Lake(str(tmp_path / "lake"))
    night = story.tell(lake, days=2, n=40, text=lambda value: value + "&" * 5000)
    rows = [
        {
            "day": story.DAY,
            "finding_id": f"f{i:04}",
            "kind": "level_change",
            "severity": "warning",
            "status": "new",
            "title": f"Thing {i} " + "<" * 5000,
            "segment": "all",
            "value_of_segment": "all",
            "cause": "&" * 5000,
            "examples": lake.sql("SELECT interaction_id FROM interactions LIMIT 20")
            .column(0)
            .to_pylist(),
        }
        for i in range(600)
    ]
    lake.replace(FINDINGS, story.DAY, pa.Table.from_pylist(rows, FINDINGS.schema))
    path = report(settings, lake, night, story.METRICS)
    assert path.stat().st_size <= MAX_BYTES
    assert "This part could not be made" not in path.read_text()


def test_the_list_of_nights_is_newest_first_and_latest_is_the_newest(told, settings):
    lake, night = told("story")
    newest = report(settings, lake, night, story.METRICS)
    older = NightSummary(story.DAY - timedelta(days=1), "healthy")
    report(settings, lake, older, story.METRICS)
    index = (newest.parent / "index.html").read_text()
    assert index.index("2026-11-22.html") < index.index("2026-11-21.html")
    assert "Findings" in index
    assert (newest.parent / "latest.html").read_bytes() == newest.read_bytes()
    assert sorted(path.name for path in newest.parent.iterdir()) == [
        "2026-11-21.findings.csv",
        "2026-11-21.html",
        "2026-11-22.findings.csv",
        "2026-11-22.html",
        "index.html",
        "latest.html",
    ]


def test_findings_stand_beside_the_page_as_csv_without_formulas(told, settings):
    path = report(settings, *told("hostile"), story.METRICS)
    text = path.with_name("2026-11-22.findings.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["finding_id"] for row in rows] == ["f2", "f3", "f1", "f4", "f5"]
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+@\t" and cell]


def finding(**given):
    blank = dict.fromkeys(
        [
            "finding_id",
            "kind",
            "metric",
            "title",
            "before",
            "after",
            "effect",
            "effect_kind",
            "lower",
            "upper",
            "since",
            "cause",
            "n",
        ]
    )
    return (
        blank
        | {
            "day": story.DAY,
            "status": "new",
            "severity": "warning",
            "segment": "all",
            "value_of_segment": "all",
        }
        | given
    )


@pytest.mark.parametrize(
    ("status", "reasons", "found", "sentence"),
    [
        ("healthy", [], [], "A good night: nothing got worse in 4,812 interactions."),
        (
            "findings",
            [],
            [
                finding(
                    metric="latency_ms",
                    before=1500.0,
                    after=2500.0,
                    segment="route",
                    value_of_segment="/ask",
                )
            ],
            "Not a good night: latency on /ask is up from 1.50\xa0s to 2.50\xa0s.",
        ),
        (
            "findings",
            [],
            [finding(title="LLM calls stopped at 15:00.", since=story.DAY - timedelta(days=400))],
            "Not a good night: LLM calls stopped at 15:00 since 18 October 2025.",
        ),
        (
            "degraded",
            ["Too few rows have a score: groundedness (62%); the floor is 90%."],
            [],
            "Not the whole picture: too few rows have a score: groundedness (62%); the floor "
            "is 90%.",
        ),
        (
            "healthy",
            [],
            [finding(metric="latency_ms", before=1500.0, after=2500.0)],
            "No alarm: latency is up from 1.50\xa0s to 2.50\xa0s.",
        ),
        ("failed", ["gateway: no file."], [], "The night failed: gateway: no file."),
        ("failed", [], [], "The night failed: no reason was given."),
    ],
)
def test_the_verdict_is_one_sentence(status, reasons, found, sentence):
    night = NightSummary(story.DAY, status, reasons, {"accepted": 4812})
    assert verdict(night, found, story.METRICS).sentence == sentence


@pytest.mark.parametrize(
    ("others", "also"),
    [
        ([], ""),
        ([("warning", "new"), ("info", "new")], "1 more finding below, new."),
        ([("info", "new")], ""),
        ([("warning", "ongoing"), ("info", "new")], "1 more finding below."),
        (
            [("critical", "ongoing"), ("warning", "new"), ("info", "new")],
            "2 more findings below, 1 of them new.",
        ),
        ([("warning", "new"), ("warning", "resolved")], "1 more finding below, new."),
        ([("warning", "new"), ("warning", "new")], "2 more findings below, both new."),
    ],
)
def test_only_findings_that_are_told_are_counted_as_new(others, also):
    night = NightSummary(story.DAY, "findings", [], {"accepted": 4812})
    found = [finding(title="LLM calls stopped at 15:00.", severity="critical")]
    found += [finding(title="Another.", severity=s, status=status) for s, status in others]
    assert verdict(night, found, story.METRICS).also == also


def test_a_young_lake_gives_no_verdict():
    night = NightSummary(story.DAY, "healthy")
    assert verdict(night, [], story.METRICS, missing_nights=5).sentence == (
        "Too early to tell: a verdict needs 5 more nights to compare with."
    )


def test_a_move_too_small_for_two_digits_shows_more():
    row = finding(metric="m", before=0.2112, after=0.2144)
    assert (
        headline_of(row, {"m": Metric("m", "score", "higher", "")}) == "M is up from 0.211 to 0.214"
    )
