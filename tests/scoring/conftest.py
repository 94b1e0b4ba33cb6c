"""A real encoder for the tests of scoring, with a cache that all of them share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import Embedder, open_embedder


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    settings = Settings(base=tmp_path_factory.mktemp("cache"), encoder=EncoderSettings(threads=1))
    with open_embedder(settings) as opened:
        yield opened
