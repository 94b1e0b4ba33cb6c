"""The torch runtime on the processor, through sentence-transformers: any of its models, float32 or
bfloat16. The runtime `cuda` is the same on a GPU."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from evalkit.encoders import processor
from evalkit.encoders.batched import BatchedEncoder, Ids
from evalkit.encoders.contract import Encoder, Matrix, Plan, Runtime
from evalkit.encoders.model import Model
from evalkit.encoders.quiet import offline
from evalkit.encoders.threads import one_each
from evalkit.errors import ModelError

__all__ = ["TorchEncoder", "load_module", "runtime"]

#: What one pass needs stays in the cache of the one processor that runs it.
_TOKENS_PER_PASS = 512


def load_module(model: Model) -> Any:
    """The model as a sentence-transformers module on the processor, in float32, ready to be called.

    Raises:
        ModelError: the library cannot load the folder.
    """
    with offline():
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        had_bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            module = SentenceTransformer(str(model.folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"{model.folder}: cannot be loaded ({error}). "
                "Give the folder of a sentence-transformers model."
            ) from error
        finally:
            if had_bars:
                logging.enable_progress_bar()
    return module.eval().float()


class TorchEncoder(BatchedEncoder):
    """A model on one of torch's devices.

    Args:
        plan: which model, and how.
        device: as torch names it.
        per_pass: tokens of a full pass.
    """

    def __init__(self, plan: Plan, device: str = "cpu", per_pass: int = _TOKENS_PER_PASS) -> None:
        with offline():
            import torch
        pool = partial(one_each, torch, plan.threads) if device == "cpu" else None
        super().__init__(plan, per_pass, pool)
        self._torch = torch
        self._device = device
        self._module = load_module(plan.model).to(device)
        if plan.precision == "bf16":
            # Only the network: pooling sums hundreds of tokens, and eight bits of precision would
            # show.
            self._module[0].to(torch.bfloat16)

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        torch = self._torch
        with torch.inference_mode():
            # The input module takes what of these its network knows.
            features = {
                "input_ids": torch.from_numpy(ids).to(self._device),
                "attention_mask": torch.from_numpy(mask).to(self._device),
                "token_type_ids": torch.from_numpy(types).to(self._device),
            }
            features = self._module[0](features)
            features["token_embeddings"] = features["token_embeddings"].float()
            for module in list(self._module)[1:]:
                features = module(features)
            sentence = features["sentence_embedding"].float().cpu().numpy()
            token = features["token_embeddings"].cpu().numpy()
        if sentence.shape[1] != self.dim:
            raise ModelError(
                f"{self._model.folder}: gives vectors of {sentence.shape[1]} numbers, "
                f"its files say {self.dim}."
            )
        return np.asarray(sentence, dtype=np.float32), np.asarray(token, dtype=np.float32)


def _obstacle(precision: str) -> str | None:
    if precision == "bf16" and not processor.has_bf16():
        return (
            "this processor has neither avx512_bf16 nor amx_bf16: bf16 would be emulated, "
            "about five times slower "
            "than fp32. Use precision = 'fp32'"
        )
    return None


def _load(plan: Plan) -> Encoder:
    return TorchEncoder(plan)


def _version() -> str:
    return f"torch {version('torch')}, transformers {version('transformers')}"


runtime = Runtime("torch", ("fp32", "bf16"), _version, _obstacle, _load, __name__)
