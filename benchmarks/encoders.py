"""Every runtime and precision against `SentenceTransformer.encode` with its defaults, and how far vectors differ."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer

from benchmarks.measure import Row, best_of
from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import Runtime, find_model, open_embedder
from evalkit.registry import find
from evalkit.starter import sample_folder

TEXTS = 300


def texts() -> list[str]:
    """Distinct texts of the sample traffic: questions, chunks and answers in equal parts."""
    kinds: tuple[dict[str, None], ...] = ({}, {}, {})
    for log in sorted((sample_folder() / "logs").glob("*.gz")):
        for line in gzip.decompress(log.read_bytes()).splitlines():
            try:
                record = orjson.loads(line)
                answer = record["response"]["choices"][0]["message"]["content"]
                question = record["request"]["messages"][-1]["content"].rsplit("Question: ", 1)[-1]
                chunks = [chunk["text"] for chunk in record["metadata"]["documents"]]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            for kind, found in zip(kinds, ([question], chunks, [answer]), strict=True):
                kind.update(dict.fromkeys(found))
    return [text for kind in kinds for text in list(kind)[: TEXTS // 3]]


def measure() -> Iterator[Row]:
    given = texts()
    folder = str(find_model(None).folder)
    plain = SentenceTransformer(folder, device="cpu")
    plain.encode(given[:8])
    baseline = best_of(2, lambda: plain.encode(given))
    reference = np.asarray(plain.encode(given, normalize_embeddings=True))
    upper = np.triu_indices(len(given), 1)
    expected = (reference @ reference.T)[upper]
    yield Row(
        "SentenceTransformer.encode, defaults", len(given) / baseline, "texts/s", "the baseline"
    )
    for name, runtime in find("evalkit.encoders.runtimes", "evalkit.encoders", Runtime).items():
        for precision in runtime.precisions:
            if runtime.obstacle(precision) is not None:
                continue
            settings = Settings(
                base=Path.cwd() / "out", encoder=EncoderSettings(runtime=name, precision=precision)
            )
            with open_embedder(settings, cache=False) as embedder:
                embedder.embed(given[:8])
                seconds = best_of(2, lambda: embedder.encoder.encode(given))
                vectors = embedder.encoder.encode(given)
            rank = float(spearmanr((vectors @ vectors.T)[upper], expected).statistic)
            yield Row(
                f"{name} {precision}", baseline / seconds, "x baseline", f"Spearman {rank:.5f}"
            )
