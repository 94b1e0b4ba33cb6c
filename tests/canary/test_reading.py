"""The frozen rows stay what they were, and say so when they do not."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from evalkit.canary import reading
from evalkit.errors import ModelError
from evalkit.schema import INTERACTIONS


def test_half_of_the_rows_are_supported() -> None:
    canary = reading.read()
    assert canary.interactions.schema.equals(INTERACTIONS.schema)
    assert len(canary.hallucinated) == canary.interactions.num_rows == 80
    assert sum(canary.hallucinated) == 40


def test_every_row_has_what_a_score_needs() -> None:
    for row in reading.read().interactions.to_pylist():
        assert row["query"]
        assert row["response"]
        assert sum(len(chunk["text"]) for chunk in row["contexts"]) < 2000


def test_rows_that_were_changed_are_refused(tmp_path, monkeypatch) -> None:
    rows = pq.read_table(reading.files("evalkit.canary") / reading.ROWS)
    pq.write_table(rows.slice(1), tmp_path / reading.ROWS)
    monkeypatch.setattr(reading, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match="was changed after it was made"):
        reading.read.__wrapped__()
