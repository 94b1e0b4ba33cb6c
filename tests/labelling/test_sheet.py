"""The sheet as a file: whatever the traffic holds it only shows, and a spreadsheet takes nothing for a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from labelled_lake import HOSTILE, sheet_of, told

from evalkit.errors import LabelError
from evalkit.labelling import Sheet, render, write
from evalkit.lake import Lake


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    lake = told(Lake(str(tmp_path_factory.mktemp("hostile"))), 20, HOSTILE)
    return sheet_of(lake, 60)


def test_the_page_shows_questions_answers_passages_and_numbers_sentences(lake: Lake) -> None:
    sheet = sheet_of(lake, 3, by="Ann <Lee>")
    text = render(sheet, "html")
    page = Page(text)
    name = sheet.items[0].asked.interaction_id
    shown = "".join(page.texts)
    assert f"Question {name}?" in shown
    assert f"1Answer {name}. 2It has two sentences." in shown
    assert ("value", "Ann <Lee>") in page.attributes
    assert page.tags.count("article") == 3
    assert "score" not in "".join(re.findall(r"<small>.*?</small>", text))
    assert "This browser runs no scripts here" in text
    assert render(sheet, "html") == text


def test_the_page_asks_nothing_of_anyone(lake: Lake) -> None:
    page = Page(render(sheet_of(lake, 3), "html"))
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "action", "srcset", "style", "onload", "onclick"}
    policy = next(value for _, value in page.attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_hostile_texts_are_only_texts(hostile: Sheet) -> None:
    page = Page(render(hostile, "html"))
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    shown = "".join(page.texts)
    assert "{{ 7 * 7 }} {% raw %} ${7*7}" in shown
    assert "user[U+202E]gnp.exe [U+2066]hidden[U+2069]" in shown
    assert "[U+0000][U+001B][2J[U+007F]" in shown
    assert "עברית" in shown


def test_a_long_answer_is_cut_with_a_note(tmp_path: Path) -> None:
    lake = told(Lake(str(tmp_path)), 20, ("A sentence. " * 90_000,))
    for text in (render(sheet_of(lake, 2), "html"), render(sheet_of(lake, 2), "csv")):
        assert len(text) < 400_000
        assert "The answer has 1,080,000 characters; the first 20,000 are shown." in text
        assert "The passages have 1,080,000 characters; 6,000 are shown." in text


def test_cells_are_no_formulas_and_short_enough_for_a_spreadsheet(hostile: Sheet) -> None:
    rows = list(csv.reader(io.StringIO(render(hostile, "csv"), newline="")))
    assert rows[0] == [
        "row", "app", "route", "question", "passages", "answer", "verdict", "comment", "by", "key",
    ]  # fmt: skip
    assert len(rows) == 61
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            assert len(cell) < 32_767
    assert json.loads(rows[1][-1])["row"] == hostile.keys()[0]


def test_a_file_that_may_hold_verdicts_is_not_written_over(lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 3)
    for name in ("sheet.html", "sheet.csv"):
        file = write(sheet, tmp_path / name)
        before = file.read_bytes()
        assert write(sheet, file).read_bytes() == before, "the same sheet again is no matter"
        file.write_bytes(before + b"filled in")
        with pytest.raises(LabelError, match="is there already and may hold verdicts"):
            write(sheet, file)
    assert (tmp_path / "sheet.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with pytest.raises(LabelError, match="cannot be written"):
        write(sheet, tmp_path / "no" / "folder.html")
