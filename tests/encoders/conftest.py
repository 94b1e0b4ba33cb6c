"""The real default model, loaded once for all tests of the encoders."""

from __future__ import annotations

import pytest

from evalkit.encoders import Encoder
from tests.encoders.loading import load


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load(tmp_path_factory.mktemp("torch"))
