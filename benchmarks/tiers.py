"""Interactions a second through each tier of scoring on one core: words alone, embeddings, the
verifier; and each scorer by itself once texts are embedded and claims read."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pandas as pd
import pyarrow as pa

from benchmarks.measure import Row
from evalkit import prices
from evalkit.config import Settings
from evalkit.encoders import Embedder, open_embedder, processor
from evalkit.frames import interactions_from
from evalkit.scoring import Batch, select
from evalkit.scoring.calibration import load_all
from evalkit.scoring.scorers.groundedness import groundedness
from evalkit.starter import sample_folder

ROWS = 120


def rows() -> pa.Table:
    """Distinct answers of the sample traffic with their questions and chunks."""
    found: dict[str, tuple[str, list[str]]] = {}
    for log in sorted((sample_folder() / "logs").glob("*.gz")):
        for line in gzip.decompress(log.read_bytes()).splitlines():
            try:
                record = orjson.loads(line)
                answer = record["response"]["choices"][0]["message"]["content"]
                question = record["request"]["messages"][-1]["content"].rsplit("Question: ", 1)[-1]
                chunks = [chunk["text"] for chunk in record["metadata"]["documents"]]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if answer and chunks:
                found.setdefault(answer, (question, chunks))
    kept = dict(list(found.items())[:: max(1, len(found) // ROWS)][:ROWS])
    frame = pd.DataFrame(
        {
            "query": [question for question, _ in kept.values()],
            "response": list(kept),
            "contexts": [chunks for _, chunks in kept.values()],
        }
    )
    return interactions_from(frame)


def measure() -> Iterator[Row]:
    given = rows()
    precisions = ["fp32", *(["bf16"] if processor.has_bf16() else [])]
    with TemporaryDirectory() as folder:
        baseline = 0.0
        for precision in precisions:
            with open_embedder(_settings(folder, precision)) as embedder:
                embedder.embed(["warm up"])
                cold = _seconds(lambda embedder=embedder: _grounded(given, embedder, False))
                warm = _seconds(lambda embedder=embedder: _grounded(given, embedder, False))
                assert embedder.verifier is not None
                embedder.verifier.read([("warm up", "warm up")])
                read = _seconds(lambda embedder=embedder: _grounded(given, embedder, True))
                pairs = embedder.verifier.stats.read
                again = _seconds(lambda embedder=embedder: _grounded(given, embedder, True))
            n = given.num_rows
            baseline = baseline or cold
            if precision == "fp32":
                yield Row(
                    "words, every text embedded before", n / warm, "rows/s/core", "no network runs"
                )
            yield Row(
                f"embeddings {precision}, nothing known", n / cold, "rows/s/core",
                f"{baseline / cold:.2f} x embeddings fp32",
            )  # fmt: skip
            yield Row(
                f"verifier {precision}, texts embedded", n / read, "rows/s/core",
                f"{pairs / n:.1f} claims a row, {baseline / read:.2f} x embeddings fp32",
            )  # fmt: skip
            yield Row(
                f"verifier {precision}, claims read before",
                n / again,
                "rows/s/core",
                "from the cache",
            )
        with open_embedder(_settings(folder, "fp32")) as embedder:
            for name, scorer in select(Settings()).items():
                batch = _batch(given, embedder, True)
                scorer.score(batch)
                fresh = _batch(given, embedder, True)
                seconds = _seconds(lambda scorer=scorer, fresh=fresh: scorer.score(fresh))
                yield Row(
                    f"scorer {name}", given.num_rows / seconds, "rows/s/core", "all texts known"
                )


def _settings(folder: str, precision: str) -> Settings:
    encoder = {
        "precision": precision, "threads": 1, "cache": str(Path(folder) / f"{precision}.db")
    }  # fmt: skip
    return Settings.model_validate({"encoder": encoder, "scoring": {"verifier": True}})


def _batch(given: pa.Table, embedder: Embedder, verified: bool) -> Batch:
    verifier = embedder.verifier if verified else None
    return Batch(given, embedder, prices.load(None), load_all(), verifier=verifier)


def _grounded(given: pa.Table, embedder: Embedder, verified: bool) -> None:
    groundedness.score(_batch(given, embedder, verified))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
