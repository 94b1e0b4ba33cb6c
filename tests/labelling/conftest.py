"""Fixtures of labelling: a lake with four days of scored traffic and no verdicts yet."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from evalkit.lake import Lake

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import labelled_lake

    folder = tmp_path_factory.mktemp("labelling") / "lake"
    labelled_lake.told(Lake(str(folder)))
    return folder


@pytest.fixture
def lake(_written: Path, tmp_path: Path) -> Lake:
    shutil.copytree(_written, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))
