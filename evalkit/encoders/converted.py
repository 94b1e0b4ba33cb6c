"""Converted models on disk: made once, kept with their hash, made anew when they are not what was
written."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit.encoders.contract import Plan
from evalkit.encoders.quiet import offline
from evalkit.errors import ModelError

__all__ = ["INPUTS", "converted", "plain"]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_STATED = "model.sha256"


def converted(plan: Plan, name: str, file: str, write: Callable[[Path], None]) -> Path:
    """The converted model's file, made when it is missing or is not what was written.

    Args:
        plan: which model, and where converted ones are kept.
        name: runtime, version and whatever else decides what the file holds.
        file: the file in its folder that the runtime opens.
        write: writes all files into a folder.

    Raises:
        ModelError: the folder cannot be written.
    """
    folder = plan.folder / f"{name}-{plan.model.fingerprint[:16]}"
    path, stated = folder / file, folder / _STATED
    if path.is_file() and stated.is_file() and stated.read_text().strip() == _digest(folder):
        return path
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # Tracing warns of every constant that it keeps. Whether the result is right is asked by
            # comparing vectors, and nobody who runs a night can do anything about these.
            warnings.simplefilter("ignore")
            write(work)
        (work / _STATED).write_text(_digest(work) + "\n")
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


def plain(module: Any) -> tuple[Any, tuple[Any, ...]]:
    """The model with plain tensors in (`INPUTS`) and out (sentence and token vectors), as
    converters want it, and an example of what goes in."""
    with offline():
        import torch

    # Only some releases of torch say the type of their Module.
    class Plain(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """Tensors instead of dictionaries."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            given = zip(INPUTS, (input_ids, attention_mask, token_type_ids), strict=True)
            found = self.module(dict(given))
            return found["sentence_embedding"], found["token_embeddings"]

    example = tuple(torch.ones((2, 8), dtype=torch.long) for _ in INPUTS)
    return Plain().eval(), example


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != _STATED:
            total.update(f"{path.name}\n".encode())
            total.update(path.read_bytes())
    return total.hexdigest()
