"""ONNX Runtime's own operators in a model that is exported to it: attention in one piece, and int8
products that add their bias. What has none of its own stays as torch's exporter writes it."""

from __future__ import annotations

from typing import Any

from evalkit.encoders.converted import plain

__all__ = ["ONE", "PLAIN", "VERSION", "find_attention", "fuse_products", "set_attention"]

#: Part of a kept model's name: raise it when a change here may change what is exported.
VERSION = "1"
#: Names of attention, as transformers has them: one operator, and products with a softmax.
ONE, PLAIN = "evalkit_onnx", "eager"
#: Two ways to write the same attention differ by less.
_NEAR = 1e-4


def find_attention(module: Any) -> str | None:
    """What `set_attention` takes for this module in float32: one operator where its network lets its
    attention be given and it is the usual one, else products and a softmax. ONNX has no operator for
    torch's fused one, and what is exported for that is slow."""
    network = _network(module)
    if network is None:
        return None
    before = network.config._attn_implementation
    try:
        set_attention(module, PLAIN)
        expected = _tried(module)
        set_attention(module, ONE)
        return ONE if float((_tried(module) - expected).abs().max()) < _NEAR else PLAIN
    except (ImportError, RuntimeError, TypeError, ValueError):
        # older transformers take none, or it is another: fewer keys than heads, another mask
        return PLAIN
    finally:
        set_attention(module, before)


def set_attention(module: Any, name: str | None) -> None:
    """The network of a module computes its attention so from now on."""
    network = _network(module)
    if network is None or name is None:
        return
    if name == ONE:
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, eager_mask

        AttentionInterface.register(ONE, _attention())
        AttentionMaskInterface.register(ONE, eager_mask)
    network.set_attn_implementation(name)


def _network(module: Any) -> Any:
    return next((m for m in module.modules() if hasattr(m, "set_attn_implementation")), None)


def _tried(module: Any) -> Any:
    """Token vectors of two texts, one of them padded."""
    import torch

    whole, _ = plain(module)
    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    with torch.inference_mode():
        return (
            whole(torch.arange(1, 17).reshape(2, 8), mask, torch.zeros_like(mask))[1]
            * mask[..., None]
        )


def _attention() -> Any:
    import torch

    class Attention(torch.autograd.Function):
        """softmax(Q K' scale + mask) V; Q, K and V float32 [rows, heads, tokens, width], the mask
        [rows, 1, tokens, tokens]; out float32 [rows, tokens, heads x width]."""

        @staticmethod
        def forward(
            _: Any, q: Any, k: Any, v: Any, mask: Any, heads: int, width: int, scale: float
        ) -> Any:
            shares = torch.softmax(q @ k.transpose(2, 3) * scale + mask, dim=-1)
            return (shares @ v).transpose(1, 2).flatten(2)

        @staticmethod
        def symbolic(
            g: Any, q: Any, k: Any, v: Any, mask: Any, heads: int, width: int, scale: float
        ) -> Any:
            # The operator splits heads by itself: with what the network did before, this is nothing.
            whole = g.op("Constant", value_t=torch.tensor([0, 0, -1]))
            q, k, v = (
                g.op("Reshape", g.op("Transpose", x, perm_i=[0, 2, 1, 3]), whole) for x in (q, k, v)
            )
            none = g.op("prim::Constant")
            none.setType(torch.OptionalType.ofTensor())
            found = g.op(
                "com.microsoft::MultiHeadAttention",
                q, k, v, none, none, mask,
                num_heads_i=heads, scale_f=scale,
            )  # fmt: skip
            found.setType(mask.type().with_sizes([None, None, heads * width]))
            return found

    apply: Any = Attention.apply  # torch says no types of it

    def attend(
        _: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float | None = None, **__: Any
    ) -> tuple[Any, None]:
        heads, width = int(query.shape[1]), int(query.shape[3])
        if mask is None:  # nothing is padded
            mask = query.new_zeros(1, 1, query.shape[2], key.shape[2])
        scale = width**-0.5 if scaling is None else float(scaling)
        return apply(query, key, value, mask, heads, width, scale), None

    return attend


def fuse_products(module: Any) -> None:
    """Every product that `quantize` marked becomes one operator."""
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if hasattr(layer, "weight_scale"):
                setattr(parent, name, _product(layer))


def _product(layer: Any) -> Any:
    import torch

    class Product(torch.autograd.Function):
        """x W + b, x rounded to the whole numbers that W is made of already."""

        @staticmethod
        def forward(
            _: Any, x: Any, inverse: Any, scale: Any, zero: Any, whole: Any, steps: Any,
            no_zero: Any, bias: Any,
        ) -> Any:  # fmt: skip
            rounded = (x * inverse / scale).round() + zero.float()
            return (rounded.clamp(0, 255) - zero.float()) @ whole.float() * steps * scale + bias

        @staticmethod
        def symbolic(
            g: Any, x: Any, inverse: Any, scale: Any, zero: Any, whole: Any, steps: Any,
            no_zero: Any, bias: Any,
        ) -> Any:  # fmt: skip
            rounded = g.op("QuantizeLinear", g.op("Mul", x, inverse), scale, zero)
            found = g.op(
                "com.microsoft::MatMulIntegerToFloat",
                rounded, whole, scale, steps, zero, no_zero, bias,
            )  # fmt: skip
            found.setType(x.type().with_sizes([None, None, bias.type().sizes()[0]]))
            return found

    apply: Any = Product.apply  # torch says no types of it

    class Int8Product(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inverse = torch.nn.Buffer(layer.inverse)
            self.scale = torch.nn.Buffer(torch.tensor(layer.scale))
            self.zero = torch.nn.Buffer(torch.tensor(layer.zero, dtype=torch.uint8))
            whole = (layer.weight / layer.weight_scale[:, None]).round().to(torch.int8)
            self.whole = torch.nn.Buffer(whole.T.contiguous())
            self.steps = torch.nn.Buffer(layer.weight_scale)
            self.no_zero = torch.nn.Buffer(torch.tensor(0, dtype=torch.int8))
            bias = layer.bias
            self.bias = torch.nn.Buffer(
                torch.zeros(len(self.steps)) if bias is None else bias.detach()
            )

        def forward(self, x: Any) -> Any:
            return apply(
                x, self.inverse, self.scale, self.zero, self.whole, self.steps, self.no_zero,
                self.bias,
            )  # fmt: skip

    return Int8Product().eval()
