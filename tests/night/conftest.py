"""The sample's thirty nights, run once for all tests that look at them."""

from __future__ import annotations

import pytest

from tests.night.sample import Nights, configured, evalkit


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    config = configured(folder)
    done = evalkit("backfill", "-c", str(config), "--from", "2026-10-24", "--to", "2026-11-22")
    return Nights(folder, done.returncode, done.stdout, done.stderr)
