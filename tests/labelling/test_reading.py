"""Files that people send back: every way in which one may be wrong has its message, and stores nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labelled_lake import changed, filled, filled_csv, sheet_of

from evalkit.errors import LabelError
from evalkit.labelling import Sheet, write
from evalkit.labelling.reading import read_file
from evalkit.lake import Lake


@pytest.fixture
def sheet(lake: Lake) -> Sheet:
    return sheet_of(lake, 6)


def test_what_the_page_saves_is_read(sheet: Sheet, tmp_path: Path) -> None:
    words = ["yes", "no", "unsure", None, "yes", None]
    found = read_file(filled(sheet, tmp_path / "a.json", lambda k: words[k], comment="why = so"))
    assert [verdict.value for verdict in found.verdicts] == [1.0, 0.0, None, 1.0]
    assert found.blank == 2
    first = found.verdicts[0]
    assert first.design == sheet.design
    assert first.asked == sheet.items[0].asked
    assert (first.by, first.comment, first.at.hour) == ("ann", "why = so", 9)


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16")]
)
def test_a_csv_sheet_comes_back_from_any_spreadsheet(
    sheet: Sheet, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    file = write(sheet, tmp_path / "a.csv")
    cells = [{"verdict": "YES", "comment": "Größe fehlt", "by": "ann"}, {"verdict": " n "}, {}]
    filled_csv(file, lambda k: cells[min(k, 2)], delimiter, encoding)
    found = read_file(file, by="bob")
    assert [(v.value, v.by, v.comment) for v in found.verdicts] == [
        (1.0, "ann", "Größe fehlt"),
        (0.0, "bob", None),
    ]
    assert [v.asked for v in found.verdicts] == [item.asked for item in sheet.items[:2]]
    assert found.blank == 4


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40))
def test_a_comment_survives_the_spreadsheet(sheet: Sheet, tmp_path: Path, comment: str) -> None:
    from evalkit.text.csv import defused

    file = tmp_path / "a.csv"
    file.unlink(missing_ok=True)
    write(sheet, file)
    filled_csv(file, lambda k: {"verdict": "no", "comment": defused(comment), "by": "ann"})
    if not comment.strip().startswith("'"):  # that may have been defused already
        assert {verdict.comment for verdict in read_file(file).verdicts} == {
            comment.strip() or None
        }


def _first(change: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda saved: saved["verdicts"][0].update(change)


WRONG = {
    "an unknown verdict": (_first({"verdict": "maybe"}), "row 1: verdict: 'maybe' is none. Write yes, no or"),
    "no text": (_first({"verdict": 1}), "row 1: verdict: 1 is no text"),
    "nobody": (lambda s: s.update(by="  "), "row 1: by: nobody. Write who judged, or give --by NAME"),
    "a double": (
        lambda s: s["verdicts"].append(s["verdicts"][0]),
        "row 7: interaction_id: judged already at row 1. Keep one of the two",
    ),
    "a changed probability": (_first({"probability": 1.0}), "row 1: key: does not fit its seal"),
    "a changed id": (_first({"interaction_id": "20-001x"}), "row 1: key: does not fit its seal"),
    "a changed sheet": (lambda s: s["sheet"].update(asked=3), "row 1: key: does not fit its seal"),
    "a broken key": (_first({"day": "20/11/2026"}), "row 1: key: cannot be read. Leave that column"),
    "no sheet": (lambda s: s.update(sheet=None), "row 1: key: cannot be read"),
    "a bad time": (_first({"at": "yesterday"}), "row 1: at: 'yesterday' is no time"),
    "a time anywhere": (_first({"at": "2026-11-21T09:00:00"}), "has no time zone"),
    "a long comment": (_first({"comment": "x" * 2001}), "comment: 2,001 characters; at most 2,000"),
    "a comment alone": (
        _first({"verdict": None, "comment": "hm"}),
        "verdict: missing beside a comment",
    ),
    "another format": (lambda s: s.update(format="x"), "format: 'x' is not 'evalkit-labels/1'"),
    "no row": (lambda s: s.update(verdicts=[]), "holds no row"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_place(sheet: Sheet, tmp_path: Path, name: str) -> None:
    change, message = WRONG[name]
    file = changed(filled(sheet, tmp_path / "ann.json", lambda k: "yes"), change)
    with pytest.raises(LabelError) as caught:
        read_file(file)
    assert str(caught.value).startswith("ann.json")
    assert message in str(caught.value)


def test_all_wrong_lines_are_named_at_once(sheet: Sheet, tmp_path: Path) -> None:
    file = filled(sheet, tmp_path / "ann.json", lambda k: "maybe" if k < 4 else "no")
    with pytest.raises(LabelError) as caught:
        read_file(file)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == [f"ann.json, row {k}" for k in range(1, 5)]
    assert lines[4] == "Nothing was stored."


def test_files_that_are_no_sheets(tmp_path: Path) -> None:
    for data, message in (
        (b"", "no such column"),
        (b"a,b\n1,2\n", "line 1: by, key, verdict: no such column"),
        (b"{\n  broken", "line 2: no valid JSON"),
        (b"{}", "format: None"),
        (b'{"a": ' + b"[" * 100_000, "no valid JSON"),
        (b'verdict,by,key\nyes,ann,"{', "no valid CSV"),
        (b"verdict,by,key\nyes,ann,[]\n", "line 2: key: cannot be read"),
        (b"\xff\xfe\x00", "no such column"),
    ):
        file = tmp_path / "x.json"
        file.write_bytes(data)
        with pytest.raises(LabelError, match=r"x\.json") as caught:
            read_file(file)
        assert message in str(caught.value), data[:20]
    with pytest.raises(LabelError, match="cannot be read"):
        read_file(tmp_path / "nothing.json")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.sampled_from(["sheet", "by", "verdicts", "format"]),
        st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4),
    )
    | st.lists(st.integers(), max_size=3)
)
def test_any_json_is_read_or_refused_in_words(sheet: Sheet, tmp_path: Path, noise: Any) -> None:
    file = filled(sheet, tmp_path / "a.json", lambda k: "yes")
    if isinstance(noise, dict):
        changed(file, lambda saved: saved.update(noise))
    else:
        file.write_text(json.dumps(noise), "utf-8")
    try:
        said = [verdict.by for verdict in read_file(file).verdicts]
    except LabelError as error:
        said = [str(error).partition(",")[0].partition(":")[0]]
    by = noise.get("by") if isinstance(noise, dict) else None
    assert set(said) <= {"ann", "a.json", by.strip() if isinstance(by, str) else ""}
    assert said
