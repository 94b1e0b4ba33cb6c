"""Fixtures of the ingest tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.config import Settings


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings whose files are below the test's folder."""

    def make(**tables: Any) -> Settings:
        tables.setdefault("sources", {"gateway": {"format": "openai_log", "path": "logs/*.jsonl"}})
        return Settings.model_validate({**tables, "base": tmp_path})

    return make
