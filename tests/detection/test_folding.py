"""Which shifts are one finding."""

from __future__ import annotations

from traffic import METRICS

from evalkit.detection.folding import Candidate, fold, overlap


def candidate(metric, segment="all", value="all", effect=-0.2, rows=100.0, **more) -> Candidate:
    return Candidate(
        (metric, segment, value),
        strength=more.pop("strength", abs(effect)),
        goodness=more.pop("goodness", -1),
        rows=rows,
        effect=effect,
        **more,
    )


def leads(*candidates: Candidate) -> list[tuple]:
    return [group.lead.key for group in fold(candidates, METRICS)]


def test_two_values_of_one_column_never_hold_the_same_row():
    assert not overlap(("a", "route", "/x"), ("b", "route", "/y"))
    assert overlap(("a", "route", "/x"), ("b", "route", "/x"))
    assert overlap(("a", "route", "/x"), ("b", "model", "m"))
    assert overlap(("a", "all", "all"), ("b", "route", "/x"))


def test_the_segment_that_explains_the_whole_day_stands_for_it():
    assert leads(
        candidate("groundedness", effect=-0.1),
        candidate("groundedness", "route", "/ask", effect=-0.2, rows=50),
        candidate("groundedness", "model", "large", effect=-0.12, rows=60),
    ) == [("groundedness", "route", "/ask")]


def test_what_happens_everywhere_is_one_finding_on_the_whole_day():
    assert leads(
        candidate("groundedness", effect=-0.2),
        candidate("groundedness", "route", "/ask", effect=-0.25, rows=40),
        candidate("groundedness", "route", "/search", effect=-0.18, rows=30),
    ) == [("groundedness", "all", "all")]


def test_two_values_of_a_column_stand_alone_when_the_day_does_not_show_it():
    assert leads(
        candidate("groundedness", "route", "/ask", rows=20),
        candidate("groundedness", "route", "/search", rows=20),
        candidate("groundedness", "model", "large", effect=-0.1, rows=30),
    ) == [("groundedness", "route", "/ask"), ("groundedness", "route", "/search")]


def test_what_was_reported_before_keeps_its_place():
    assert leads(
        candidate("groundedness", effect=-0.1),
        candidate("hallucination", "route", "/ask", effect=0.3, rows=50),
        candidate("groundedness", "model", "large", effect=-0.1, rows=50, open=True),
    ) == [("groundedness", "model", "large")]


def test_better_and_worse_are_not_one_finding():
    assert len(leads(candidate("groundedness"), candidate("hallucination", goodness=1))) == 2


def test_the_order_of_the_candidates_does_not_matter():
    some = [
        candidate("groundedness", effect=-0.1),
        candidate("groundedness", "route", "/ask", rows=50),
        candidate("latency_ms", "model", "large", effect=0.5),
        candidate("ttft_ms", effect=0.4),
    ]
    assert leads(*some) == leads(*reversed(some))


def test_a_companion_is_told_beside_a_finding_or_not_at_all():
    beside = candidate("ttft_ms", effect=0.5, companion=True)
    assert leads(beside) == []
    assert leads(beside, candidate("latency_ms", effect=0.2)) == [("latency_ms", "all", "all")]
    assert leads(
        candidate("hallucination", goodness=1, companion=True), candidate("groundedness")
    ) == [("groundedness", "all", "all")]
