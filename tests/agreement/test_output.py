"""The same figures in four formats; names from the data are only ever names."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from evalkit.agreement import (
    Agreement,
    compare,
    count_spans,
    format_of,
    render,
    to_markdown,
    to_text,
)
from evalkit.errors import EvalkitError

HOSTILE = "</td><script>alert(1)</script> | [x](javascript:1) `\n\x1b[31m \"' &amp; " + "long " * 40


def made(metric: str = "hallucination", task: str = "QA") -> Agreement:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 40)
    scores = np.clip(0.4 * labels + rng.uniform(0, 0.6, 40), 0, 1)
    scores[3] = np.nan
    lengths = rng.integers(5, 30, 40)
    spans = count_spans(["abc def"] * 40, [[(0, 3)], []] * 20, [[(0, 4)], []] * 20)
    return compare(
        scores,
        labels,
        [str(k // 2) for k in range(40)],
        metric=metric,
        label="hallucinated",
        groups={"task": [task] * 25 + ["other"] * 15},
        baselines={"length": lengths, "always": np.zeros(40)},
        lengths=lengths,
        spans=spans,
        unlabelled=2,
        spans_left_out=1,
        draws=60,
    )


@pytest.fixture(scope="module")
def hostile() -> Agreement:
    return made(task=HOSTILE)


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_figure_is_shown(form: str) -> None:
    agreement = made()
    shown = render([agreement], form)
    group = agreement.groups[0]
    figures = [group.auroc, group.auroc_lower, group.matched_auroc, group.f1, group.kappa]
    figures += [group.balanced_accuracy, group.ece, group.brier, group.brier_skill]
    figures += [group.baselines["length"].auroc, group.spans["word"].f1]
    figures += [part.rate for part in group.calibration]
    for figure in figures:
        assert f"{figure:.3f}" in shown
    for word in (
        "QA",
        "other",
        "guess from task",
        "1 no score",
        "character",
        "left out",
        "Decisions",
    ):
        assert word in shown


def test_json_is_an_object_for_one_and_a_list_for_several() -> None:
    one, two = made(), made("groundedness")
    assert json.loads(render([one], "json"))["metric"] == "hallucination"
    several = json.loads(render([one, two], "json"))
    assert [item["metric"] for item in several] == ["hallucination", "groundedness"]
    assert len(several[0]["groups"][0]["calibration"]) > 5


def test_several_metrics_have_an_overview_the_best_first() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(40) % 2
    good = compare(labels / 2, labels, ["a"] * 40, metric="good", draws=5)
    bad = compare(rng.uniform(size=40), labels, ["a"] * 40, metric="bad", draws=5)
    none = compare([np.nan] * 40, labels, ["a"] * 40, metric="none", draws=5)
    text = to_text(bad, good, none)
    assert text.startswith("All metrics")
    assert text.index("good") < text.index("bad")
    assert text.endswith("No row has a score of none (40 no score).")


def test_text_keeps_its_columns_under_each_other(hostile: Agreement) -> None:
    block = to_text(hostile).split("\n\n")[3]
    lines = block.split("\n")
    assert len(lines) == 4  # the header and three groups: a name breaks no line
    place = lines[0].index("sources") + len("sources")
    assert all(line[place - 1].isdigit() for line in lines[1:])


def test_a_name_ends_no_markdown_cell_and_is_no_link(hostile: Agreement) -> None:
    lines = to_markdown(hostile).split("\n")
    table = [line for line in lines if line.startswith("|")]
    named = [line for line in table if "alert" in line]
    header = table[0]
    assert named
    assert len(re.findall(r"(?<!\\)\|", named[0])) == len(re.findall(r"(?<!\\)\|", header))
    assert not any(re.search(r"(?<!\\)[<\[`]", line) for line in named)


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_is_whole_by_itself_and_runs_nothing(hostile: Agreement) -> None:
    page = render([hostile, made("groundedness")], "html")
    tags = Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "img", "link", "iframe", "a", "form", "object"}
    assert not [
        name for name in tags.attributes if name.startswith("on") or name in {"src", "href"}
    ]
    assert "default-src 'none'" in page
    assert page.count("<svg") == 4
    assert page.startswith("<!doctype html>")


def test_the_format_is_that_of_the_name_or_of_the_file() -> None:
    assert format_of(None) == "text"
    assert format_of("html") == "html"
    assert format_of(None, Path("a.md")) == "markdown"
    assert format_of(None, Path("a.HTML")) == "html"
    assert format_of("json", Path("a.md")) == "json"
    with pytest.raises(EvalkitError, match=r"'pdf' is no format\. Formats: text, markdown"):
        format_of("pdf")


@pytest.mark.parametrize("form", ["text", "markdown", "json", "html"])
def test_one_class_only_still_has_spans_and_calibration(form: str) -> None:
    spans = count_spans(["abc", "def"], [[(0, 2)], [(1, 3)]], [[(0, 3)], []])
    shown = render([compare([0.2, 0.9], [1, 1], ["a", "b"], spans=spans, draws=5)], form)
    # Both: 2 of 3 marked and 4 labelled characters.
    assert f"{2 * 2 / 7:.3f}" in shown or f"{2 * 2 / 7}" in shown
    assert "nan" not in shown.lower()
