"""Fixtures of the report's tests: lakes that hold the story, and settings over a scratch folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.config import Settings
from evalkit.lake import Lake
from evalkit.verdict import NightSummary

sys.path.insert(0, str(Path(__file__).parent))

Told = tuple[Lake, NightSummary]


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Gives a lake (empty, story, nulls, hostile, huge) and its night; each is written once."""
    import report_story as story

    made: dict[str, Told] = {}

    def tell(kind: str) -> Told:
        if kind not in made:
            lake = Lake(str(tmp_path_factory.mktemp(kind) / "lake"))
            if kind == "empty":
                night = NightSummary(story.DAY, "healthy")
            elif kind == "nulls":
                night = story.nulls(lake)
            elif kind == "story":
                night = story.tell(lake)
            else:
                night = story.tell(
                    lake, days=2 if kind == "huge" else 9, n=3, text=getattr(story, kind)
                )
            made[kind] = lake, night
        return made[kind]

    return tell


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(base=tmp_path)
