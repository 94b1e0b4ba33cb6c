"""Makes a model's matrix products run in int8: one scale per output channel of a weight, one fixed
scale per activation, found once on shipped texts. Norms, softmax, residuals and pooling stay as
they are; the runtimes turn what is marked here into integer arithmetic."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.encoders.tokenizer import Tokenizer

__all__ = ["VERSION", "calibration_texts", "int8_linear", "quantize", "recipe"]

#: Raise it when a change here may change a quantised model.
VERSION = "1"
_TEXTS = "calibration.txt"
#: What each activation's range is widened by: a text that goes past it is cut, and cuts cost more
#: than coarser steps.
_MARGIN = 1.05
#: How far a channel's spread moves from activations into weights (the exponent of SmoothQuant).
_SHARES = (0.6, 0.7, 0.8, 0.9, 0.95)
_ROWS_PER_PASS = 24
_TEXTS_PER_PASS = 8


def calibration_texts() -> list[str]:
    """The shipped texts, the same for every model."""
    found = (files("evalkit.encoders") / _TEXTS).read_text(encoding="utf-8")
    return [text.strip() for text in found.split("\n\n") if text.strip()]


def recipe() -> str:
    """What a quantised model rests on besides the model itself, as a short hash."""
    text = "\n\n".join([VERSION, *calibration_texts()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass
class _Seen:
    """What went into a linear layer: per channel [channels], and some rows [rows, channels]."""

    source: int
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    rows: list[NDArray[np.float32]]


def quantize(module: Any, tokenizer: Tokenizer, top: int = 127) -> Any:
    """The module with each linear layer of its network marked as int8 (changed in place).

    Scales of activations are fixed, so that a text's vector does not depend on its neighbours.
    Spread is moved from activations into weights channel by channel, x W = (x / s)(s W), which
    changes no product but makes both easier to round (Xiao et al. 2023, arXiv:2211.10438); how much
    is chosen per layer by the error of its output. All scales are rounded to nine bits, so that the
    last bits of another machine's calibration do not matter.

    Args:
        module: a sentence-transformers module in float32.
        tokenizer: its tokenizer.
        top: largest whole number of a weight: 127, or 63 where pairs of products are summed in 16
            bits (processors without VNNI), which overflow else.
    """
    network = module[0]
    layers = _layers(network)
    seen = _watch(module, layers, tokenizer)
    groups: dict[int, list[str]] = {}
    for name, one in seen.items():
        groups.setdefault(one.source, []).append(name)
    for names in groups.values():
        made = _best([layers[name] for name in names], seen[names[0]], top)
        for name, layer in zip(names, made, strict=True):
            parent, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(parent), attribute, layer)
    return module


def _layers(network: Any) -> dict[str, Any]:
    import torch

    return {
        name: layer for name, layer in network.named_modules() if isinstance(layer, torch.nn.Linear)
    }


def _watch(module: Any, layers: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, _Seen]:
    """Run the calibration texts, and note what goes into each layer that takes part."""
    import torch

    seen: dict[str, _Seen] = {}
    mask = torch.ones(0)
    order: dict[int, int] = {}
    kept: list[Any] = []  # holds inputs of a pass alive: their ids stay distinct

    def note(name: str) -> Any:
        def hook(_: Any, given: tuple[Any, ...]) -> None:
            x = given[0]
            kept.append(x)
            source = order.setdefault(id(x), len(order))
            if x.dim() != 3:  # a pooler's single token: not worth rounding
                return
            rows = x[mask].numpy()
            step = max(1, len(rows) // _ROWS_PER_PASS)
            low, high, some = rows.min(0), rows.max(0), rows[::step].copy()
            if name in seen:
                one = seen[name]
                one.low, one.high = np.minimum(one.low, low), np.maximum(one.high, high)
                one.rows.append(some)
            else:
                seen[name] = _Seen(source, low, high, [some])

        return hook

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers.items()]
    try:
        for features in _batches(tokenizer):
            mask = features["attention_mask"].bool()
            order.clear()
            kept.clear()
            with torch.inference_mode():
                module(features)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _batches(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    import torch

    read = sorted(tokenizer.read(calibration_texts()), key=lambda text: len(text.ids))
    parts = [read[i : i + _TEXTS_PER_PASS] for i in range(0, len(read), _TEXTS_PER_PASS)]
    names = ("input_ids", "attention_mask", "token_type_ids")
    found = []
    for part in parts:
        padded = tokenizer.pad(part, max(len(text.ids) for text in part))
        found.append({n: torch.from_numpy(a) for n, a in zip(names, padded, strict=True)})
    return found


def _best(layers: Sequence[Any], seen: _Seen, top: int) -> list[Any]:
    """The layers that read one input, quantised with the share that leaves the least error."""
    import torch

    rows = torch.from_numpy(np.concatenate(seen.rows))
    spread = np.maximum(np.maximum(-seen.low, seen.high), 1e-5)
    weight = np.max([layer.weight.detach().abs().amax(0).numpy() for layer in layers], axis=0)
    found: tuple[float, list[Any]] | None = None
    with torch.inference_mode():
        wanted = [layer(rows) for layer in layers]
        for share in _SHARES:
            smooth = _rounded(spread**share / np.maximum(weight, 1e-5) ** (1 - share))
            low = min(float((seen.low / smooth).min()), 0.0) * _MARGIN
            high = max(float((seen.high / smooth).max()), 1e-5) * _MARGIN
            made = [int8_linear(layer, smooth, low, high, top) for layer in layers]
            error = sum(
                float(((one(rows) - y) ** 2).mean() / y.var())
                for one, y in zip(made, wanted, strict=True)
            )
            if found is None or error < found[0]:
                found = (error, made)
    assert found is not None
    return found[1]


def _rounded(values: NDArray[Any] | float) -> NDArray[np.float32]:
    """To nine bits: what rounding in the last bits would change stays the same."""
    part, power = np.frexp(values)
    return np.asarray(np.ldexp(np.round(part * 512) / 512, power), dtype=np.float32)


def int8_linear(
    layer: Any, smooth: NDArray[np.float32], low: float, high: float, top: int = 127
) -> Any:
    """A linear layer that rounds what comes in and its weights to whole numbers of their scales.

    Args:
        layer: the layer in float32.
        smooth: float32 [channels in], what each channel is divided by, and its weights multiplied.
        low, high: the range of what comes in, divided; what lies outside is cut.
        top: largest whole number of a weight.
    """
    import torch

    # Only some releases of torch say the type of their Module.
    class Int8Linear(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """x W + b with both rounded to whole numbers of their scales."""

        def __init__(self) -> None:
            super().__init__()
            weight = layer.weight.detach() * torch.from_numpy(smooth)
            scale = _rounded(np.maximum(weight.abs().amax(1).numpy() / top, 1e-9))
            whole = (weight / torch.from_numpy(scale)[:, None]).round().clamp(-top, top)
            self.weight = torch.nn.Buffer(whole * torch.from_numpy(scale)[:, None])
            self.weight_scale = torch.nn.Buffer(torch.from_numpy(scale))
            self.weight_zero = torch.nn.Buffer(torch.zeros(len(scale), dtype=torch.int32))
            self.inverse = torch.nn.Buffer(torch.from_numpy(1 / smooth))
            self.bias = layer.bias
            self.scale = float(_rounded((high - low) / 255))
            self.zero = max(0, min(255, round(-low / self.scale)))

        def forward(self, x: Any) -> Any:
            x = torch.fake_quantize_per_tensor_affine(
                x * self.inverse, self.scale, self.zero, 0, 255
            )
            weight = torch.fake_quantize_per_channel_affine(
                self.weight, self.weight_scale, self.weight_zero, 0, -128, 127
            )
            return torch.nn.functional.linear(x, weight, self.bias)

    return Int8Linear().eval()
