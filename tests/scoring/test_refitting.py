"""Labels in the lake become a model beside the configuration, which the next scores use."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from evalkit import prices
from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.errors import EvalkitError, ModelError
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, LABELS
from evalkit.scoring import calibration, refit, scorer_fingerprint

DAY = dt.date(2026, 11, 20)
N = 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(base=tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """Traffic of which people hold, against all expectation, that copied answers are wrong and new
    words are right, that stray answers are to the point, and that who says "wrong" is content."""
    rows, labels = [], []
    for k in range(N):
        copied = k % 2 == 0
        name = f"row-{k:02d}"
        fact = f"Gate {k} opens at {k % 12 + 1} o'clock and closes at noon."
        rows.append(
            dict.fromkeys(INTERACTIONS.schema.names)
            | {
                "day": DAY,
                "interaction_id": name,
                "query": f"When does gate {k} open?",
                "response": fact if copied else "Elephants usually enjoy swimming in lakes.",
                "contexts": [
                    dict.fromkeys(("score", "rank", "updated_at", "attributes"))
                    | {"id": f"gate-{k}", "text": fact}
                ],
                "status": "ok",
            }
        )
        labels += [
            dict.fromkeys(LABELS.schema.names)
            | {
                "day": DAY,
                "origin": "traffic",
                "interaction_id": about,
                "metric": metric,
                "value": value,
                "by": "someone",
            }
            for metric, about, value in (
                ("hallucination", name, float(copied)),
                ("answer_relevance", name, float(not copied)),
                ("user_correction", f"turn-{k:02d}", float(copied)),
            )
        ]
        rows.append(
            dict.fromkeys(INTERACTIONS.schema.names)
            | {
                "day": DAY,
                "interaction_id": f"turn-{k:02d}",
                "session_id": f"session-{k}",
                "query": "Thanks, great!"
                if copied
                else "No, that is wrong. I meant the other one.",
                "history": [
                    {"role": "user", "content": f"When does gate {k} open?"},
                    {"role": "assistant", "content": fact},
                ],
                "status": "ok",
            }
        )
    made = Lake(settings.lake_url)
    made.replace(INTERACTIONS, DAY, pa.Table.from_pylist(rows, schema=INTERACTIONS.schema))
    given = pa.Table.from_pylist(labels, schema=LABELS.schema)
    made.replace(LABELS, DAY, given, part={"origin": "traffic"})
    return made


def test_labels_make_a_model_that_the_next_scores_use(
    settings: Settings, lake: Lake, embedder: Embedder
) -> None:
    before = scorer_fingerprint(settings, embedder, prices.load(None))
    found = refit(settings, lake, embedder, prices.load(None), DAY, "hallucination")
    assert found.is_better
    assert found.n == N
    assert found.auroc_before is not None
    assert found.auroc_after is not None
    assert found.auroc_before < 0.1
    assert found.auroc_after > 0.9
    made = calibration.load_all(settings.models_path)["hallucination_embeddings"]
    assert made.sha256 == found.model.sha256
    assert scorer_fingerprint(settings, embedder, prices.load(None)) != before


@pytest.mark.parametrize("metric", ["answer_relevance", "user_correction"])
def test_every_model_that_learns_follows_its_labels(
    metric: str, settings: Settings, lake: Lake, embedder: Embedder
) -> None:
    found = refit(settings, lake, embedder, prices.load(None), DAY, metric)
    assert found.is_better
    assert found.n == N
    assert found.auroc_before is not None
    assert found.auroc_after is not None
    assert found.auroc_before < 0.3
    assert found.auroc_after > 0.9
    assert calibration.load_all(settings.models_path)[metric].sha256 == found.model.sha256


def test_a_metric_without_a_model_is_refused(
    settings: Settings, lake: Lake, embedder: Embedder
) -> None:
    with pytest.raises(EvalkitError, match="hallucination, answer_relevance, user_correction"):
        refit(settings, lake, embedder, prices.load(None), DAY, "latency_ms")


def test_a_refit_again_gives_the_same_file(
    settings: Settings, lake: Lake, embedder: Embedder
) -> None:
    refit(settings, lake, embedder, prices.load(None), DAY, "hallucination")
    (path,) = settings.models_path.iterdir()
    first = path.read_bytes()
    refit(settings, lake, embedder, prices.load(None), DAY, "hallucination")
    assert path.read_bytes() == first


def test_labels_of_later_days_are_not_used_and_an_old_refit_goes(
    settings: Settings, lake: Lake, embedder: Embedder
) -> None:
    refit(settings, lake, embedder, prices.load(None), DAY, "hallucination")
    found = refit(
        settings, lake, embedder, prices.load(None), DAY - dt.timedelta(days=1), "hallucination"
    )
    assert not found.is_better
    assert found.n == 0
    assert not list(settings.models_path.iterdir())


def test_a_model_of_another_version_is_refused(settings: Settings) -> None:
    shipped = calibration.load("hallucination_embeddings")
    fewer = calibration.as_content(shipped)
    fewer["features"] = fewer["features"][:-1]
    fewer["sha256"] = calibration.digest(fewer)
    settings.models_path.mkdir()
    import json

    (settings.models_path / "hallucination_embeddings.json").write_text(json.dumps(fewer))
    with pytest.raises(ModelError, match="evalkit labels refit"):
        calibration.load_all(settings.models_path)
    assert np.isfinite(shipped.coefficient).all()
