"""Every case that `python -m tests.fuzz` ever found stays mended; and the harness itself finds what
is there to be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import SourceSettings
from evalkit.ingest.contract import Opener, Parsed, Reject, Source, Window
from evalkit.registry import find, names
from tests.fuzz import FOUND, GROUP, PACKAGE, check, fuzz, samples_of

CASES = sorted(path for path in FOUND.glob("*-*") if path.is_dir())


@pytest.mark.parametrize("folder", CASES, ids=[path.name for path in CASES])
def test_what_was_found_stays_mended(folder: Path) -> None:
    check(folder.name.rpartition("-")[0], folder)


@pytest.mark.parametrize("name", sorted(names(PACKAGE, GROUP)))
def test_every_format_has_samples_to_damage(name: str, tmp_path: Path) -> None:
    for sample in samples_of(name):
        assert sample
        for file, content in sample.items():
            (tmp_path / file).write_bytes(content)
    check(name, tmp_path)


@pytest.mark.parametrize("name", sorted(names(PACKAGE, GROUP)))
def test_a_few_damaged_samples_are_rows_or_rejects(name: str) -> None:
    count, found = fuzz(name, 0, 0.005, set())
    assert count > 0
    assert found == []


def _raising(*_: object) -> Iterator[Parsed]:
    raise ArithmeticError


def _losing(settings: SourceSettings, _: Window, opener: Opener) -> Iterator[Parsed]:
    return iter([Parsed() for _ in opener.lines(settings)])


def _surprised(*_: object) -> Iterator[Parsed]:
    reason = "cannot be read as jsonl (TypeError)"
    return iter([Parsed([], [Reject("jsonl.jsonl", 1, reason, "{}")])])


@pytest.mark.parametrize("open_", [_raising, _losing, _surprised])
def test_a_source_that_breaks_its_contract_is_found(
    open_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = replace(find(PACKAGE, GROUP, Source, "jsonl")["jsonl"], open=open_)
    monkeypatch.setattr("tests.fuzz.find", lambda *_: {"jsonl": broken})
    monkeypatch.setattr("tests.fuzz.FOUND", tmp_path)
    _, found = fuzz("jsonl", 0, 0.002, set())
    assert {path.parent for path in found} == {tmp_path}
    assert (found[0] / "jsonl.jsonl").exists()
