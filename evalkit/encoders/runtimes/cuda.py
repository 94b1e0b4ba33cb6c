"""The torch runtime on an NVIDIA GPU: float32 (without TF32) or bfloat16. The verifier stays on the
processor."""

from __future__ import annotations

from typing import Any

from evalkit.encoders import gpu
from evalkit.encoders.batched import Ids
from evalkit.encoders.contract import Encoder, Matrix, Plan, Runtime
from evalkit.encoders.quiet import offline
from evalkit.encoders.runtimes.torch import TorchEncoder
from evalkit.encoders.runtimes.torch import runtime as on_processor
from evalkit.errors import ModelError

__all__ = ["runtime"]

#: A GPU needs far more work at a time than a processor's cache holds.
_TOKENS_PER_PASS = 32_768


class _Cuda(TorchEncoder):
    """Products exactly in float32 and attention without choice of kernel, whatever else in the
    process has set: both are put back after each pass."""

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        torch = self._torch
        matmul: Any = torch.backends.cuda.matmul
        before = matmul.allow_tf32
        matmul.allow_tf32 = False
        try:
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return super().forward(ids, mask, types)
        finally:
            matmul.allow_tf32 = before


def _obstacle(_: str) -> str | None:
    if gpu.available():
        return None
    return (
        "there is no NVIDIA driver, or torch is its CPU build. Install torch for CUDA, "
        "or use runtime = 'auto'"
    )


def _load(plan: Plan) -> Encoder:
    with offline():
        import torch
    if not torch.cuda.is_available():
        raise ModelError(
            "[encoder] runtime cuda: torch finds no GPU (torch.cuda.is_available() is False). "
            "Check `nvidia-smi`, or use runtime = 'auto'."
        )
    return _Cuda(plan, "cuda", _TOKENS_PER_PASS)


def _version() -> str:
    return f"{on_processor.version()}, {gpu.name()}"


runtime = Runtime("cuda", ("fp32", "bf16"), _version, _obstacle, _load, __name__)
