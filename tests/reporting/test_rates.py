"""What stands beside a score that people may have labelled: a rate with its interval, or the word proxy."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from evalkit.config import Settings
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.reporting import report
from evalkit.reporting.figures import History, headline, rate_note
from evalkit.reporting.mail import compose
from evalkit.reporting.pack import Pack
from evalkit.reporting.page import gather
from evalkit.schema import DAILY
from evalkit.verdict import NightSummary

DAY = date(2026, 11, 22)
METRICS = {
    "hallucination": Metric("hallucination", "probability", "higher", "", headline=True),
    "failed": Metric("failed", "share", "higher", "", headline=True),
}
LABELLED = {
    "rate": 0.12,
    "rate_lower": 0.09,
    "rate_upper": 0.16,
    "n_labels": 120,
    "rate_from": DAY - timedelta(days=27),
    "rate_basis": "drawn",
}


def row(metric: str, **columns) -> dict:
    return {
        "day": DAY,
        "metric": metric,
        "segment": "all",
        "value_of_segment": "all",
        "n": 500,
        "n_eligible": 500,
        "n_scored": 500,
        "mean": 0.34,
        **dict.fromkeys(LABELLED),
        **columns,
    }


def notes(*rows: dict) -> dict[str, str]:
    found = headline(History(rows, [], DAY, DAY - timedelta(days=28)), METRICS, 7)
    return {figure.name: figure.note for figure in found}


def test_a_score_with_labels_shows_the_rate_its_interval_and_what_it_rests_on():
    assert notes(row("hallucination", **LABELLED))["hallucination"] == (
        "rate 12\xa0% (9 to 16\xa0%, 120 labels, 28 days)"
    )


def test_a_score_without_labels_is_called_a_proxy():
    found = notes(row("hallucination"), row("failed"))
    assert found["hallucination"] == "proxy, no labels"
    assert found["failed"] == ""  # counted, not guessed
    assert found["interactions"] == ""


def test_too_few_labels_make_no_rate():
    few = {**LABELLED, "rate": None, "rate_lower": None, "rate_upper": None, "n_labels": 12}
    assert notes(row("hallucination", **few))["hallucination"] == "proxy, 12 labels"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate_basis": "given"}, "120 labels, not a sample, 28 days"),
        ({"rate": 0.004, "rate_lower": 0.0, "rate_upper": 0.03}, "rate 0.4\xa0% (0.0 to 3.0\xa0%"),
        ({"n_labels": 1, "rate_from": DAY}, "1 label, 1 day"),
    ],
)
def test_the_words_fit_the_figures(changed, said):
    assert said in rate_note({**LABELLED, **changed}, "probability", DAY)


def test_page_and_mail_show_it(tmp_path):
    lake = Lake(str(tmp_path / "lake"))
    lake.replace(DAILY, DAY, pa.Table.from_pylist([row("hallucination", **LABELLED)], DAILY.schema))
    settings = Settings.model_validate(
        {"base": tmp_path, "mail": {"host": "localhost", "to": ["team@example.com"]}}
    )
    night = NightSummary(DAY, "healthy")
    said = "rate 12\xa0% (9 to 16\xa0%, 120 labels, 28 days)"
    assert said in report(settings, lake, night, METRICS).read_text("utf-8")
    pack = Pack.of(settings)
    edition = gather(settings, lake, pack, night, METRICS)
    text, html = (
        compose(settings, lake, pack, edition).get_body((kind,)).get_content()
        for kind in ("plain", "html")
    )
    assert said in text
    assert said in html.replace("&nbsp;", "\xa0")
