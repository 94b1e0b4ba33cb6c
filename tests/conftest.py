"""The files of tests that take longest come first: no process is left alone with one at the end."""

from __future__ import annotations

import pytest

LONGEST = "tests/night/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
