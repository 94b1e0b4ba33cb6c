"""The ONNX Runtime (extra `onnx`) on the processor: the torch model, exported once and kept; float32,
or int8 that also pays without VNNI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from evalkit.encoders import fused
from evalkit.encoders.batched import BatchedEncoder, Ids
from evalkit.encoders.contract import Encoder, Matrix, Plan, Runtime
from evalkit.encoders.converted import INPUTS, converted, plain
from evalkit.encoders.quantized import quantize, recipe
from evalkit.encoders.quiet import hushed, offline
from evalkit.encoders.runtimes.torch import load_module
from evalkit.encoders.threads import usable
from evalkit.encoders.tokenizer import Tokenizer

__all__ = ["runtime"]

#: Without VNNI two products are summed in 16 bits: weights of seven bits never overflow there, and
#: give the same whole numbers on every processor.
_TOP = 63
#: A product reads all that comes in once for each panel of weights, so activations must stay in a
#: core's own cache; smaller passes are slowed by what each costs by itself.
_TOKENS_PER_PASS = 256
_OPSET = 17
_OUTPUTS = ("sentence", "token")
_ERRORS_ONLY = 3


class _Onnx(BatchedEncoder):
    def __init__(self, plan: Plan) -> None:
        # Passes side by side, each on one thread, never wait for each other as threads within one do.
        pool = partial(ThreadPoolExecutor, plan.threads or usable(), "pass")
        super().__init__(plan, _TOKENS_PER_PASS, pool)
        path = _converted(plan)
        with offline():
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        # A model without token types has no such input.
        self._inputs = [one.name for one in self._session.get_inputs()]

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        given = dict(zip(INPUTS, (ids, mask, types), strict=True))
        sentence, token = self._session.run(
            list(_OUTPUTS), {name: given[name] for name in self._inputs}
        )
        return np.asarray(sentence, dtype=np.float32), np.asarray(token, dtype=np.float32)


def _converted(plan: Plan) -> Path:
    int8 = plan.precision == "int8"
    made_with = f"onnx-{fused.VERSION}-torch-{version('torch')}"
    name = f"{made_with}-int8-{recipe()}" if int8 else made_with

    def write(folder: Path) -> None:
        with offline():
            import torch
        module = load_module(plan.model)
        attention = fused.find_attention(module)
        if int8:
            fused.fuse_products(quantize(module, Tokenizer(plan.model), _TOP))
        fused.set_attention(module, attention)
        whole, example = plain(module)
        axes: dict[str, dict[int, str]] = {one: {0: "rows", 1: "tokens"} for one in INPUTS}
        axes |= {"sentence": {0: "rows"}, "token": {0: "rows", 1: "tokens"}}
        with offline(), hushed(), torch.inference_mode():
            torch.onnx.export(
                whole,
                example,
                str(folder / "model.onnx"),
                input_names=list(INPUTS),
                output_names=list(_OUTPUTS),
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )

    return converted(plan, name, "model.onnx", write)


def _obstacle(_: str) -> str | None:
    if find_spec("onnxruntime") is None:
        return "the package onnxruntime is not installed. Run `pip install 'evalkit[onnx]'`"
    return None


def _load(plan: Plan) -> Encoder:
    return _Onnx(plan)


def _version() -> str:
    try:
        return (
            f"onnxruntime {version('onnxruntime')}, torch {version('torch')}, "
            f"passes of {_TOKENS_PER_PASS}, fused {fused.VERSION}"
        )
    except PackageNotFoundError:
        return "onnxruntime (missing)"


runtime = Runtime("onnx", ("fp32", "int8"), _version, _obstacle, _load, __name__)
