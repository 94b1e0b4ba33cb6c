"""`evalkit labels export` and `import`, and the same from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from labelled_lake import LAST, changed, filled, sheet_of
from typer.testing import CliRunner

import evalkit
from evalkit.cli import app
from evalkit.errors import LabelError
from evalkit.lake import Lake
from evalkit.schema import DAILY


@pytest.fixture
def nights(lake: Lake) -> Lake:
    row = dict.fromkeys(DAILY.schema.names) | {"day": LAST, "metric": "hallucination"}
    lake.replace(DAILY, LAST, pa.Table.from_pylist([row], schema=DAILY.schema))
    return lake


def run(*args: str) -> str:
    done = CliRunner().invoke(app, ["labels", *args], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_export_and_import_say_what_they_did(nights: Lake, tmp_path: Path) -> None:
    file = tmp_path / "sheet.html"
    told = run("export", "--lake", nights.url, "--n", "5", "--out", str(file), "--by", "ann")
    assert "5 of 160 answers" in told
    assert 'value="ann"' in file.read_text("utf-8")
    sheet = sheet_of(nights, 5)
    first = filled(sheet, tmp_path / "a.json", lambda k: "yes" if k % 2 else "no")
    second = filled(sheet, tmp_path / "b.json", lambda k: "yes" if k else "no", by="bob")
    told = run("import", "--lake", nights.url, str(first), str(second))
    assert "10 new, 0 replaced, 0 as they were; 0 rows still blank" in told
    assert "ann: 2 yes, 3 no, 0 unsure" in told
    assert "ann and bob on hallucination: kappa" in told
    again = json.loads(run("import", "--lake", nights.url, "--json", str(first)))
    assert (again["new"], again["unchanged"]) == (0, 5)
    assert again["agreement"][0]["n"] == 5


def test_from_python(nights: Lake, tmp_path: Path) -> None:
    lake = evalkit.open(nights.url)
    sheet = lake.labels_export(tmp_path / "s.csv", n=8, days=4, until=LAST)
    assert sheet == sheet_of(nights, 8)
    lake.labels_import([filled(sheet, tmp_path / "a.json", lambda k: "yes")])
    found = lake.labels("hallucination")
    assert found["value"].tolist() == [1.0] * 8
    assert found["probability"].between(0, 1, inclusive="right").all()
    nobody = filled(sheet, tmp_path / "b.json", lambda k: "no")
    changed(nobody, lambda saved: saved.update(by=None))
    with pytest.raises(LabelError, match="by: nobody"):
        lake.labels_import([nobody])
    assert lake.labels_import([nobody], by="bob").new == 8
