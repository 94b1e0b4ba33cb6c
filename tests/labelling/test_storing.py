"""Import: what is stored once stays as it is, newer verdicts replace older ones, and nothing is stored of a wrong file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from labelled_lake import FIRST, LAST, filled, sheet_of, told

from evalkit.config import RedactionSettings
from evalkit.errors import LabelError
from evalkit.labelling import store
from evalkit.lake import Lake
from evalkit.schema import LABELS


def test_verdicts_are_stored_with_their_probability_and_sheet(lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 10)
    words = ["yes", "no", "unsure", *[None] * 7]
    file = filled(sheet, tmp_path / "a.json", lambda k: words[k], comment="see 2")
    done = store(lake, [file])
    assert (done.new, done.replaced, done.unchanged, done.blank) == (3, 0, 0, 7)
    assert done.verdicts == {"ann": {"yes": 1, "no": 1, "unsure": 1}}
    rows = {row["interaction_id"]: row for row in lake.read(LABELS).to_pylist()}
    for item, value in zip(sheet.items, (1.0, 0.0, None), strict=False):
        row = rows[item.asked.interaction_id]
        assert row["value"] == value, "who cannot tell says nothing: NULL"
        assert row["probability"] == item.asked.probability
        assert (row["day"], row["origin"], row["by"]) == (item.asked.day, "sheet", "ann")
        assert row["comment"] == "see 2"
        assert row["sheet"]["id"] == sheet.design.id
        assert (row["sheet"]["start"], row["sheet"]["end"]) == (FIRST, LAST)


def test_the_same_file_twice_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    file = filled(sheet_of(lake, 10), tmp_path / "a.json", lambda k: "yes")
    store(lake, [file])
    version, before = lake.version(LABELS), lake.read(LABELS)
    again = store(lake, [file, file])
    assert (again.new, again.unchanged, again.days) == (0, 20, ())
    assert lake.version(LABELS) == version, "not even a commit"
    assert lake.read(LABELS).equals(before)


def test_a_newer_verdict_of_the_same_person_replaces_the_older(lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 4)
    late = filled(sheet, tmp_path / "b.json", lambda k: "no", at="2026-11-22T09:00:00Z")
    early = filled(sheet, tmp_path / "a.json", lambda k: "yes")
    store(lake, [early])
    assert store(lake, [late]).replaced == 4
    assert store(lake, [early]).unchanged == 4, "an older one does not come back"
    assert set(lake.read(LABELS)["value"].to_pylist()) == {0.0}
    other = filled(sheet, tmp_path / "c.json", lambda k: "yes", by="bob")
    assert store(lake, [other]).new == 4
    assert lake.read(LABELS).num_rows == 8


def test_two_people_on_the_same_rows_get_their_kappa(lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 20)
    store(lake, [filled(sheet, tmp_path / "a.json", lambda k: "yes" if k % 2 else "no")])
    words = ["no", "yes"] * 8 + ["yes", "yes", "unsure", None]
    (pair,) = store(
        lake, [filled(sheet, tmp_path / "b.json", lambda k: words[k], by="bob")]
    ).agreement
    assert (pair.first, pair.second, pair.metric) == ("ann", "bob", "hallucination")
    assert pair.found.n == 18, "unsure and blank rows do not count"
    assert pair.found.agreement == pytest.approx(17 / 18)
    assert pair.found.lower < pair.found.kappa < pair.found.upper


def test_nothing_is_stored_when_one_file_is_wrong(lake: Lake, tmp_path: Path) -> None:
    sheet = sheet_of(lake, 4)
    good = filled(sheet, tmp_path / "a.json", lambda k: "yes")
    bad = filled(sheet, tmp_path / "b.json", lambda k: "maybe")
    with pytest.raises(LabelError, match=r"b\.json, row 1: verdict"):
        store(lake, [good, bad])
    assert lake.version(LABELS) is None


def test_verdicts_of_another_lake_are_refused(lake: Lake, tmp_path: Path) -> None:
    other = told(Lake(str(tmp_path / "other")), per_day=60)
    file = filled(sheet_of(other, 200), tmp_path / "a.json", lambda k: "yes")
    with pytest.raises(LabelError, match=r"is not in .*Give the lake that the sheet was exported"):
        store(lake, [file])
    assert lake.version(LABELS) is None


def test_what_comes_with_the_logs_and_what_was_asked_do_not_replace_each_other(
    lake: Lake, tmp_path: Path
) -> None:
    store(lake, [filled(sheet_of(lake, 8), tmp_path / "a.json", lambda k: "yes")])
    asked = lake.read(LABELS).num_rows
    row = dict.fromkeys(LABELS.schema.names) | {
        "day": LAST,
        "origin": "traffic",
        "interaction_id": "x",
        "metric": "hallucination",
        "value": 1.0,
        "at": dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    }
    data = pa.Table.from_pylist([row], schema=LABELS.schema)
    lake.replace(LABELS, LAST, data, part={"origin": "traffic"})
    assert lake.read(LABELS).num_rows == asked + 1
    lake.replace(LABELS, LAST, LABELS.empty(), part={"origin": "traffic"})
    assert lake.read(LABELS).num_rows == asked


def test_comments_are_stored_without_personal_data(lake: Lake, tmp_path: Path) -> None:
    said = "jane@example.org writes password=hunter2x of P-1234"
    file = filled(sheet_of(lake, 4), tmp_path / "a.json", lambda k: "yes", comment=said)
    wanted = RedactionSettings(classes=["email", "key"], patterns={"staff": r"P-\d{4}"})
    store(lake, [file], redaction=wanted)
    comments = set(lake.read(LABELS).column("comment").to_pylist())
    assert comments == {"[EMAIL 1] writes password=[KEY 1] of [STAFF 1]"}
    assert store(lake, [file], redaction=wanted).unchanged == 4


def test_without_a_configuration_keys_are_taken_out_of_comments(lake: Lake, tmp_path: Path) -> None:
    said = "password=hunter2x"
    store(lake, [filled(sheet_of(lake, 4), tmp_path / "a.json", lambda k: "yes", comment=said)])
    assert set(lake.read(LABELS).column("comment").to_pylist()) == {"password=[KEY 1]"}
