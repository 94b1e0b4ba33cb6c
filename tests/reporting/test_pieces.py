"""The small parts: words, safe texts, marks, CSV cells, charts."""

from __future__ import annotations

import csv
import doctest
import importlib
import io
import xml.etree.ElementTree as ET
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.reporting import charts
from evalkit.reporting.display import clean, marked
from evalkit.text.csv import write_csv

MODULES = ("display", "figures", "words")
START = date(2026, 10, 24)
numbers = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(f"evalkit.reporting.{name}"))
    assert result.attempted
    assert not result.failed


@given(st.text())
def test_clean_texts_keep_their_offsets_and_lose_their_controls(text):
    shown = clean(text.replace("\r\n", ""))
    assert len(shown) == len(text.replace("\r\n", ""))
    assert not [c for c in shown if ord(c) < 32 and c not in "\t\n"]


@given(st.text(), st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40))))
def test_marks_never_lose_or_change_a_character(text, spans):
    html = marked(text, [{"start": a, "end": b, "note": "unsupported"} for a, b in spans])
    assert html.replace("<mark>", "").replace("</mark>", "").unescape() == text
    assert html.count("<mark>") == html.count("</mark>")


@given(st.lists(st.text(alphabet="=+-@\t\r\n,\"';a|1"), min_size=1, max_size=5))
def test_csv_cells_come_back_as_texts_and_never_as_formulas(cells):
    names = [f"c{i}" for i in range(len(cells))]
    read = list(
        csv.reader(
            io.StringIO(write_csv(names, [dict(zip(names, cells, strict=True))]), newline="")
        )
    )
    assert len(read) == 2
    for cell, back in zip(cells, read[1], strict=True):
        assert back in (cell, f"'{cell}")
        assert back[:1] not in set("=+-@\t\r\n")


@given(
    st.lists(
        st.tuples(st.integers(0, 29), numbers, numbers, numbers),
        max_size=30,
        unique_by=lambda row: row[0],
    ),
    numbers,
    st.sampled_from(["score", "share", "probability", "ms", "usd", "tokens"]),
    st.text(),
)
def test_every_series_gives_a_whole_svg_inside_its_frame(rows, usual, unit, title):
    points = [
        charts.Point(START + timedelta(days=d), v, lo, hi)
        for d, v, lo, hi in sorted(rows, key=lambda r: r[0])
    ]
    spec = charts.Trend(clean(title), unit, START, START + timedelta(days=29), points, usual)
    svg = charts.trend(spec)
    root = ET.fromstring(svg)
    assert "nan" not in "".join(path.get("d", "") for path in root.iter())
    for dot in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(dot.get("cx")) <= 320
        assert 0 <= float(dot.get("cy")) <= 118
    assert svg == charts.trend(spec)


def test_a_missing_night_is_a_gap_and_not_a_line():
    points = [charts.Point(START + timedelta(days=d), 0.5) for d in (0, 1, 2, 4, 5)]
    svg = charts.trend(charts.Trend("t", "score", START, START + timedelta(days=5), points))
    assert svg.count('class="c-line"') == 2


def test_a_steady_figure_looks_steady():
    points = [charts.Point(START + timedelta(days=d), 0.800 + 0.001 * (d % 2)) for d in range(10)]
    svg = charts.trend(charts.Trend("t", "score", START, START + timedelta(days=9), points))
    path = svg.split('class="c-line"')[1].split('d="M')[1].split('"')[0]
    heights = [float(pair.split(" ")[1]) for pair in path.split("L")]
    assert max(heights) - min(heights) < 10


@given(st.lists(numbers, max_size=40))
def test_sparklines_take_any_series(values):
    svg = charts.sparkline(values)
    ET.fromstring(svg)
    assert ("circle" in svg) == bool(values and values[-1] is not None and abs(values[-1]) < 1e15)


def test_the_png_of_a_chart_is_the_same_twice():
    points = [charts.Point(START + timedelta(days=d), 0.5 + d / 100) for d in range(10)]
    svg = charts.trend(charts.Trend("t", "share", START, START + timedelta(days=9), points))
    assert charts.png(svg) == charts.png(svg)
    assert charts.png(svg)[:8] == b"\x89PNG\r\n\x1a\n"
