"""A converted model is made once, and made anew when its files are not what was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.encoders import Plan, find_model
from evalkit.encoders.converted import converted
from evalkit.errors import ModelError


class Converter:
    """Writes two small files, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, folder: Path) -> None:
        self.asked += 1
        (folder / "model.xml").write_text("graph")
        (folder / "model.bin").write_bytes(b"weights")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(find_model(), "fp32", None, tmp_path / "models")


def test_it_is_made_once(plan: Plan) -> None:
    write = Converter()
    paths = {converted(plan, "some-1.0", "model.xml", write) for _ in range(3)}
    assert write.asked == len(paths) == 1
    assert [one.name for one in plan.folder.iterdir()] == [paths.pop().parent.name]


@pytest.mark.parametrize("name", ["model.xml", "model.bin", "model.sha256"])
def test_a_damaged_or_missing_file_is_made_anew(plan: Plan, name: str) -> None:
    write = Converter()
    path = converted(plan, "some-1.0", "model.xml", write)
    (path.parent / name).write_bytes(b"damaged")
    assert converted(plan, "some-1.0", "model.xml", write).read_text() == "graph"
    (path.parent / name).unlink()
    converted(plan, "some-1.0", "model.xml", write)
    assert write.asked == 3


def test_other_versions_and_other_models_have_their_own(plan: Plan) -> None:
    write = Converter()
    other = replace(plan, model=replace(plan.model, fingerprint="0" * 64))
    converted(plan, "some-1.0", "model.xml", write)
    converted(plan, "some-1.1", "model.xml", write)
    converted(other, "some-1.0", "model.xml", write)
    assert write.asked == 3


def test_a_place_that_cannot_be_written_is_named(plan: Plan) -> None:
    plan.folder.write_text("in the way")
    with pytest.raises(ModelError, match=r"cannot be kept .* set \[encoder\] cache"):
        converted(plan, "some-1.0", "model.xml", Converter())
