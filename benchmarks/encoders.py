"""Every runtime and precision against `SentenceTransformer.encode` with its defaults, in one run: speed, share of the
machine's own rate of matrix products, and how far vectors differ."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sentence_transformers import SentenceTransformer
from torch import get_num_threads

from benchmarks.measure import Row, best_of
from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import Runtime, choose, find_model, open_embedder, processor, this_machine
from evalkit.encoders.quantized import int8_linear
from evalkit.encoders.tokenizer import Tokenizer
from evalkit.registry import find
from evalkit.starter import sample_folder

TEXTS = 300
ROUNDS = 5
#: Floating-point operations of the default model: per token in its matrices, per pair of tokens in attention.
_PER_TOKEN = 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)
_PER_PAIR = 6 * 4 * 384
_ROWS, _WIDE = 512, 1536


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
    given, threads = texts(), get_num_threads()
    plain = SentenceTransformer(str(find_model(None).folder), device="cpu")
    reference = np.asarray(plain.encode(given, normalize_embeddings=True))
    upper = np.triu_indices(len(given), 1)
    expected = (reference @ reference.T)[upper]
    work: dict[str, Callable[[], object]] = {"default": lambda: plain.encode(given)}
    ranks: dict[str, float] = {}
    with ExitStack() as stack:
        for name, runtime in find("evalkit.encoders.runtimes", "evalkit.encoders", Runtime).items():
            for precision in runtime.precisions:
                if runtime.obstacle(precision) is not None:
                    continue
                chosen = EncoderSettings.model_validate(
                    {"runtime": name, "precision": precision, "threads": threads}
                )
                settings = Settings(base=Path.cwd() / "out", encoder=chosen)
                encoder = stack.enter_context(open_embedder(settings, cache=False)).encoder
                for _ in range(2):  # the first pass of a shape is run twice, and compared
                    vectors = encoder.encode(given)
                ranks[f"{name} {precision}"] = _rank(vectors, expected, upper)
                work[f"{name} {precision}"] = lambda encoder=encoder: encoder.encode(given)
        wall, cpu = _in_turns(work)
    yield Row(
        "SentenceTransformer.encode, defaults", len(given) / wall["default"], "texts/s", "baseline"
    )
    machine, rates = this_machine(), _rates(threads)
    taken = {choose(machine, "auto", p): f"auto at {p}" for p in ("int8", "bf16", "fp32", "auto")}
    marks = {f"{one.runtime} {one.precision}": mark for one, mark in taken.items()}
    operations = _operations(given)
    for name, rank in ranks.items():
        rate = rates.get(name.rsplit(" ", 1)[1])
        words = [
            f"CPU time {cpu['default'] / cpu[name]:.2f} x",
            f"Spearman {rank:.5f}",
            *(
                [f"{operations / wall[name] / rate:.0%} of {rate / 1e9:,.0f} GFLOP/s"]
                if rate
                else []
            ),
            *([marks[name]] if name in marks else []),
        ]
        yield Row(name, wall["default"] / wall[name], "x baseline", ", ".join(words))
    yield Row("flags", float(len(machine.flags)), "in all", _flags(machine.flags))


def _in_turns(work: dict[str, Callable[[], object]]) -> tuple[dict[str, float], dict[str, float]]:
    """Least wall and CPU seconds of each, all in turns: what else the machine does falls on all alike."""
    wall, cpu = ({name: float("inf") for name in work} for _ in range(2))
    for _ in range(ROUNDS):
        for name, one in work.items():
            began, spent = time.perf_counter(), time.process_time()
            one()
            wall[name] = min(wall[name], time.perf_counter() - began)
            cpu[name] = min(cpu[name], time.process_time() - spent)
    return wall, cpu


def _rates(threads: int) -> dict[str, float]:
    """Operations a second of one large product by itself, at each precision: the best of many short runs."""
    import torch

    a, layer = torch.randn(_ROWS, _WIDE), torch.nn.Linear(_WIDE, _WIDE, bias=False)
    work: dict[str, Callable[[], object]] = {"fp32": lambda: a @ layer.weight}
    if processor.has_bf16():
        low = a.bfloat16(), layer.weight.bfloat16()
        work["bf16"] = lambda: low[0] @ low[1]
    if find_spec("openvino") is not None and processor.has_int8():
        import openvino

        whole = int8_linear(layer, np.ones(_WIDE, np.float32), -4.0, 4.0)
        options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
        compiled = openvino.compile_model(
            openvino.convert_model(whole, example_input=a), "CPU", options
        )
        request, given = compiled.create_infer_request(), a.numpy()
        work["int8"] = lambda: request.infer([given], share_inputs=True, share_outputs=True)
    seconds = dict.fromkeys(work, float("inf"))
    with torch.inference_mode():
        for _ in range(200):
            for name, one in work.items():
                seconds[name] = min(seconds[name], best_of(1, one))
    return {name: 2.0 * _ROWS * _WIDE * _WIDE / least for name, least in seconds.items()}


def _rank(
    vectors: NDArray[np.float32],
    expected: NDArray[np.float32],
    upper: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> float:
    return float(spearmanr((vectors @ vectors.T)[upper], expected).statistic)


def _operations(given: list[str]) -> float:
    sizes = np.array([len(one.ids) for one in Tokenizer(find_model(None)).read(given)], dtype=float)
    return float((sizes * _PER_TOKEN + sizes**2 * _PER_PAIR).sum())


def _flags(flags: frozenset[str]) -> str:
    telling = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return " ".join(one for one in (*telling, "asimd", "bf16") if one in flags)
