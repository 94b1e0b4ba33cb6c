"""New versions, unregistered edits, and what is neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from test_contract import history
from traffic import START

from evalkit.detection.detectors.prompts import prompts
from evalkit.schema import PROMPTS


def seen(number, version="1", text="Answer.", n=50, tokens=500.0, name="answer") -> dict:
    day = START + timedelta(days=number)
    return {
        "day": day,
        "fingerprint": f"hash of {text}",
        "name": name,
        "version": version,
        "route": "/ask",
        "template": text,
        "n": n,
        "first_seen": datetime(day.year, day.month, day.day, 8, 30, tzinfo=UTC),
        "tokens_input": tokens,
    }


def found(rows: list[dict], number: int):
    table = pa.Table.from_pylist(rows, schema=PROMPTS.schema)
    return prompts.detect(history(prompts=table, day=START + timedelta(days=number)))


def test_a_new_version_is_told_with_the_one_before_and_its_tokens():
    (finding,) = found([seen(0), seen(1), seen(2, "2", "Answer well.", tokens=520.0)], 2)
    assert (finding.kind, finding.severity) == ("prompt_version", "info")
    assert (finding.before, finding.after) == (500.0, 520.0)
    assert finding.title.startswith("Prompt answer: new version 2 (after 1) on route /ask")
    assert finding.detail["diff"].endswith("-Answer.\n+Answer well.")


def test_a_version_that_inflates_the_prompt_is_a_warning():
    (finding,) = found([seen(0), seen(1, "2", "Answer at length.", tokens=800.0)], 1)
    assert finding.severity == "warning"
    assert "(+60 %)" in finding.title


def test_a_text_that_changed_under_the_same_version_is_a_warning_with_its_moment():
    (finding,) = found([seen(0), seen(1, text="Answer, and be brief.")], 1)
    assert (finding.kind, finding.severity) == ("prompt_edit", "warning")
    assert finding.since_at == datetime(2026, 1, 6, 8, 30, tzinfo=UTC)
    assert "+Answer, and be brief." in finding.detail["diff"]


def test_the_night_after_it_is_no_news():
    rows = [seen(0), seen(1, "2", "Other."), seen(2, "2", "Other.")]
    assert found(rows, 2) == []
    rows = [seen(0), seen(1, text="Edited."), seen(2, text="Edited.")]
    assert found(rows, 2) == []


def test_versions_and_texts_that_alternate_are_an_experiment():
    rows = [seen(i, str(i % 2), f"Text {i % 2}.") for i in range(6)]
    assert [found(rows, number) for number in range(2, 6)] == [[]] * 4
    rows = [seen(i, text=f"Text {i % 2}.") for i in range(6)]
    assert [found(rows, number) for number in range(2, 6)] == [[]] * 4


def test_a_few_odd_texts_are_noise_until_they_are_used():
    rows = [seen(0), seen(1), seen(1, text="Typo.", n=3)]
    assert found(rows, 1) == []
    assert len(found([*rows, seen(2), seen(2, text="Typo.", n=30)], 2)) == 1


def test_many_texts_that_each_came_once_are_no_edits():
    rows = [seen(0), *[seen(1, text=f"Hello {i}, answer.", n=1) for i in range(50)]]
    assert found(rows, 1) == []


def test_a_prompt_seen_for_the_first_time_has_nothing_to_be_compared_with():
    assert found([seen(0), seen(1, name="other")], 1) == []


def test_prompts_without_versions_show_their_edits():
    (finding,) = found([seen(0, version=None), seen(1, version=None, text="Edited.")], 1)
    assert (
        finding.title
        == "The text of prompt answer changed (it has no version) on route /ask at 08:30 UTC"
    )


def test_the_diff_is_bounded_and_says_that_it_was_cut():
    long = "\n".join(f"rule {i} " + "x" * 5000 for i in range(300))
    (finding,) = found([seen(0), seen(1, text=long)], 1)
    assert len(finding.detail["diff"]) < 1600
    assert finding.detail["diff"].endswith("\n...")
