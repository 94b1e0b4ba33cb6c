"""What is exported to ONNX Runtime holds its own operators, and networks that they do not fit keep
theirs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evalkit.encoders import Plan, find_model, fused
from evalkit.encoders.runtimes.torch import load_module

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def module() -> Any:
    return load_module(find_model())


def test_the_search_for_an_attention_leaves_the_module_as_it_was(module: Any) -> None:
    before = module[0].auto_model.config._attn_implementation
    assert fused.find_attention(module) == fused.ONE
    assert module[0].auto_model.config._attn_implementation == before


def test_an_attention_of_another_kind_stays_products_and_a_softmax(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = fused._attention()

    def sharper(*given: Any, **named: Any) -> Any:
        return ours(*given, **{**named, "scaling": 1.0})

    monkeypatch.setattr(fused, "_attention", lambda: sharper)
    assert fused.find_attention(module) == fused.PLAIN


def test_what_has_no_network_of_transformers_is_left_alone() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(2, 2)
    assert fused.find_attention(module) is None
    fused.set_attention(module, None)
    fused.fuse_products(module)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_attention_and_int8_products_are_one_operator_each(tmp_path: Path, precision: str) -> None:
    from evalkit.encoders.runtimes.onnx import _converted

    path = _converted(Plan(find_model(), precision, 1, tmp_path))
    found = Counter(node.op_type for node in onnx.load(str(path)).graph.node)
    assert found["MultiHeadAttention"] == 6
    assert found["Softmax"] == 0
    assert found["MatMulIntegerToFloat"] == (36 if precision == "int8" else 0)
    assert found["MatMul"] == (0 if precision == "int8" else 36)
