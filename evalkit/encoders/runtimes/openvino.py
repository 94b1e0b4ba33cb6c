"""The OpenVINO runtime (extra `openvino`) on the processor: the torch model, converted once and
kept; float32, bfloat16, or int8 products with the rest in bfloat16 where the processor has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from evalkit.encoders import processor
from evalkit.encoders.batched import BatchedEncoder, Ids
from evalkit.encoders.contract import Encoder, Matrix, Plan, Runtime
from evalkit.encoders.converted import converted, plain
from evalkit.encoders.quantized import quantize, recipe
from evalkit.encoders.quiet import hushed, offline
from evalkit.encoders.runtimes.torch import load_module
from evalkit.encoders.threads import usable
from evalkit.encoders.tokenizer import Tokenizer

__all__ = ["runtime"]

#: Small enough for one core's own cache; large enough that reading the weights again, which faster
#: products do not make shorter, stays a small part.
_TOKENS_PER_PASS = 512


class _OpenVino(BatchedEncoder):
    def __init__(self, plan: Plan) -> None:
        threads = plan.threads or usable()
        # Passes side by side, each on one thread, never wait for each other as threads within one do.
        super().__init__(plan, _TOKENS_PER_PASS, partial(ThreadPoolExecutor, threads, "pass"))
        with offline():
            import openvino
        core = openvino.Core()
        # What int8 leaves in floats (attention, norms, GELU) is half of its time in float32, and
        # bfloat16 changes vectors far less than int8 has.
        low = plan.precision == "bf16" or (plan.precision == "int8" and processor.has_bf16())
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if low else "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        }
        path = _converted(plan)
        compiled = core.compile_model(str(path), "CPU", options)
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            self._requests.put(compiled.create_infer_request())

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        request = self._requests.get()
        try:
            found = request.infer([ids, mask, types], share_inputs=False)
            sentence, token = (np.array(found[i], dtype=np.float32) for i in (0, 1))
        finally:
            self._requests.put(request)
        return sentence, token


def _converted(plan: Plan) -> Path:
    int8 = plan.precision == "int8"
    name = f"openvino-{version('openvino')}" + (f"-int8-{recipe()}" if int8 else "")

    def write(folder: Path) -> None:
        with offline():
            import openvino
            import torch
        module = load_module(plan.model)
        if int8:
            module = quantize(module, Tokenizer(plan.model))
        whole, example = plain(module)
        with offline(), hushed(), torch.inference_mode():
            model = openvino.convert_model(whole, example_input=example)
        openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)

    return converted(plan, name, "model.xml", write)


def _obstacle(precision: str) -> str | None:
    if find_spec("openvino") is None:
        return "the package openvino is not installed. Run `pip install 'evalkit[openvino]'`"
    if precision == "bf16" and not processor.has_bf16():
        return (
            "this processor has neither avx512_bf16 nor amx_bf16, so bf16 brings nothing. "
            "Use precision = 'fp32'"
        )
    if precision == "int8" and not processor.has_int8():
        return (
            "this processor has neither VNNI nor AMX, so int8 brings nothing here. "
            "Use runtime = 'onnx', or precision = 'fp32'"
        )
    return None


def _load(plan: Plan) -> Encoder:
    return _OpenVino(plan)


def _version() -> str:
    try:
        return f"openvino {version('openvino')}"
    except PackageNotFoundError:
        return "openvino (missing)"


runtime = Runtime("openvino", ("fp32", "bf16", "int8"), _version, _obstacle, _load, __name__)
