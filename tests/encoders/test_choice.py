"""What `auto` takes on each kind of machine, and that it takes nothing which the configuration did not
allow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.config import EncoderSettings, Settings
from evalkit.encoders import Choice, Machine, choose, gpu, open_embedder, processor, this_machine

AVX2 = frozenset({"sse4_2", "avx2", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw"}
VNNI = AVX512 | {"avx512_vnni"}
BF16 = VNNI | {"avx512_bf16"}
AMX = BF16 | {"amx_tile", "amx_bf16", "amx_int8"}
CLIENT_VNNI = AVX2 | {"avx_vnni"}
NEON = frozenset({"asimd", "asimddp", "bf16"})
UNKNOWN: frozenset[str] = frozenset()

ALL = frozenset({"torch", "openvino", "onnx"})
TORCH = frozenset({"torch"})


@pytest.mark.parametrize(
    ("flags", "runtimes", "expected"),
    [
        # flags, installed: precision auto, bf16, int8
        (UNKNOWN, ALL, ("torch fp32", "openvino bf16", "onnx int8")),
        (AVX2, ALL, ("onnx fp32", "openvino bf16", "onnx int8")),
        (AVX2, TORCH | {"onnx"}, ("onnx fp32", "torch bf16", "onnx int8")),
        (AVX2, TORCH, ("torch fp32", "torch bf16", "torch int8")),
        (AVX512, ALL, ("openvino fp32", "openvino bf16", "onnx int8")),
        (AVX512, TORCH | {"onnx"}, ("torch fp32", "torch bf16", "onnx int8")),
        (CLIENT_VNNI, ALL, ("onnx fp32", "openvino bf16", "openvino int8")),
        (VNNI, ALL, ("openvino fp32", "openvino bf16", "openvino int8")),
        (BF16, ALL, ("openvino bf16", "openvino bf16", "openvino int8")),
        (BF16, TORCH | {"onnx"}, ("torch bf16", "torch bf16", "onnx int8")),
        (BF16, TORCH, ("torch bf16", "torch bf16", "torch int8")),
        (AMX, ALL, ("openvino bf16", "openvino bf16", "openvino int8")),
        (NEON, ALL, ("torch fp32", "openvino bf16", "onnx int8")),
    ],
)
def test_the_fastest_for_each_processor(
    flags: frozenset[str], runtimes: frozenset[str], expected: tuple[str, ...]
) -> None:
    machine = Machine(flags, runtimes)
    found = [choose(machine, "auto", precision) for precision in ("auto", "bf16", "int8")]
    assert tuple(f"{one.runtime} {one.precision}" for one in found) == expected


FLAGS = st.frozensets(st.sampled_from(sorted(AMX | NEON | CLIENT_VNNI)))
MACHINES = st.builds(
    Machine, FLAGS, st.frozensets(st.sampled_from(sorted(ALL))).map(lambda s: s | {"torch"}),
    st.booleans(),
)  # fmt: skip


@given(MACHINES)
def test_the_plain_configuration_is_the_same_everywhere(machine: Machine) -> None:
    assert choose(machine, "auto", "fp32") == Choice("torch", "fp32")


@given(MACHINES, st.sampled_from(["torch", "openvino", "onnx"]), st.sampled_from(["fp32", "int8"]))
def test_what_is_configured_is_taken_whatever_there_is(
    machine: Machine, runtime: str, precision: str
) -> None:
    assert choose(machine, runtime, precision) == Choice(runtime, precision)
    assert choose(machine, runtime, "auto").runtime == runtime
    assert choose(machine, "auto", precision).runtime != "cuda"


@given(MACHINES)
def test_auto_takes_what_is_installed_and_ranks_as_float32_does(machine: Machine) -> None:
    found = choose(machine)
    assert found.runtime in machine.runtimes | {"cuda"}
    assert found.precision in {"fp32", "bf16"}
    assert (found.precision == "fp32") or processor.has_bf16(machine.flags)
    assert (found.runtime == "cuda") == machine.cuda


def test_on_this_machine_the_choice_can_run_and_is_named(tmp_path: Path) -> None:
    expected = choose(this_machine())
    settings = Settings(base=tmp_path, encoder=EncoderSettings(precision="auto"))
    fingerprint = open_embedder(settings).fingerprint
    assert f"-{expected.runtime}-{expected.precision}-" in fingerprint
    assert ("openvino" in this_machine().runtimes) == (find_spec("openvino") is not None)


def test_a_gpu_needs_a_driver_and_a_torch_that_can_use_it(tmp_path: Path) -> None:
    assert not gpu.available(tmp_path / "nvidiactl")
    folder = tmp_path / "gpus" / "0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA H100\nIRQ: 12\n")
    assert gpu.name(tmp_path / "gpus") == "NVIDIA H100"
    assert gpu.name(tmp_path / "none") == "GPU of unknown model"
