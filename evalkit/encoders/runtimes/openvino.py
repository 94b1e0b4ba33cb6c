"""The OpenVINO runtime (extra `openvino`) on the processor: the torch model, converted once and
kept."""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.encoders import processor
from evalkit.encoders.batched import BatchedEncoder, Ids
from evalkit.encoders.contract import Encoder, Matrix, Plan, Runtime
from evalkit.encoders.quiet import offline
from evalkit.encoders.runtimes.torch import load_module
from evalkit.errors import ModelError

__all__ = ["runtime"]


class _OpenVino(BatchedEncoder):
    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.model)
        with offline():
            import openvino
        core = openvino.Core()
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if plan.precision == "bf16" else "f32",
            "NUM_STREAMS": 1,
        }
        if plan.threads is not None:
            options["INFERENCE_NUM_THREADS"] = plan.threads
        path = _converted(plan, openvino)
        self._request = core.compile_model(str(path), "CPU", options).create_infer_request()

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        found = self._request.infer([ids, mask, types], share_inputs=False)
        sentence, token = (np.array(found[i], dtype=np.float32) for i in (0, 1))
        return sentence, token


def _converted(plan: Plan, openvino: Any) -> Path:
    """The converted model's file, made when it is missing or is not what was written."""
    folder = plan.folder / f"openvino-{plan.model.fingerprint[:16]}-{version('openvino')}"
    path, stated = folder / "model.xml", folder / "model.sha256"
    if path.is_file() and stated.is_file() and stated.read_text().strip() == _digest(folder):
        return path
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True, exist_ok=True)
        openvino.save_model(
            _convert(plan, openvino), str(work / "model.xml"), compress_to_fp16=False
        )
        (work / "model.sha256").write_text(_digest(work) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            work.rename(folder)
        except OSError:
            if not path.is_file():  # else another run was faster: its files are as good
                raise
    except OSError as error:
        raise ModelError(
            f"{folder}: the converted model cannot be kept ({error}). "
            "Make the folder writable, set [encoder] cache "
            "to a file elsewhere, or use runtime = 'torch'."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path


def _convert(plan: Plan, openvino: Any) -> Any:
    module = load_module(plan.model)
    import torch

    class Whole(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """The model with plain tensors in and out, as the converter wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            found = self.module(
                {
                    "input_ids": input_ids,
                    "attention_mask": attention_mask,
                    "token_type_ids": token_type_ids,
                }
            )
            return found["sentence_embedding"], found["token_embeddings"]

    example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in range(3))
    with offline(), torch.inference_mode():
        return openvino.convert_model(Whole().eval(), example_input=example)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for name in ("model.xml", "model.bin"):
        path = folder / name
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


def _obstacle(precision: str) -> str | None:
    if find_spec("openvino") is None:
        return "the package openvino is not installed. Run `pip install 'evalkit[openvino]'`"
    if precision == "bf16" and not processor.has_bf16():
        return (
            "this processor has neither avx512_bf16 nor amx_bf16, so bf16 brings nothing. "
            "Use precision = 'fp32'"
        )
    return None


def _load(plan: Plan) -> Encoder:
    return _OpenVino(plan)


def _version() -> str:
    try:
        return f"openvino {version('openvino')}"
    except PackageNotFoundError:
        return "openvino (missing)"


runtime = Runtime("openvino", ("fp32", "bf16"), _version, _obstacle, _load, __name__)
