"""What `auto` means: the runtime and precision for a machine, as one function of what is known about
it. Nothing is asked of the machine here."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.encoders import processor

__all__ = ["Choice", "Machine", "choose"]


@dataclass(frozen=True)
class Machine:
    """What decides.

    Attributes:
        flags: the processor's feature flags; empty where they are not known.
        runtimes: names of the runtimes that are installed; torch always is.
        cuda: whether a GPU and a torch that can use it are there.
    """

    flags: frozenset[str]
    runtimes: frozenset[str] = frozenset({"torch"})
    cuda: bool = False


@dataclass(frozen=True)
class Choice:
    """A runtime by its name, and a precision."""

    runtime: str
    precision: str


def choose(machine: Machine, runtime: str = "auto", precision: str = "auto") -> Choice:
    """The fastest runtime and precision for a machine, within what the configuration says.

    `auto` as precision is bf16 where the hardware has it, else fp32: both rank pairs of texts as
    float32 does (Spearman of cosines >= 0.9999). int8 does not (about 0.997): it is taken only where
    it is asked for. `auto` as runtime with precision fp32, the default, is torch: the vectors of a
    plain configuration do not depend on what else is installed. A GPU is used only where neither
    runtime nor precision is set.

    >>> choose(Machine(frozenset({"avx2"})))
    Choice(runtime='torch', precision='fp32')
    >>> has = frozenset({"torch", "openvino"})
    >>> choose(Machine(frozenset({"avx2", "avx512_bf16", "avx512_vnni"}), has))
    Choice(runtime='openvino', precision='bf16')

    Args:
        machine: what is known.
        runtime, precision: as the configuration has them.

    Returns:
        A runtime and a precision; whether that runtime can run is asked of the runtime itself.
    """
    if runtime != "auto":
        return Choice(runtime, _precision(machine, runtime) if precision == "auto" else precision)
    if precision == "fp32":
        return Choice("torch", "fp32")
    if precision == "auto" and machine.cuda:
        return Choice("cuda", "fp32")
    wanted = _precision(machine, "torch") if precision == "auto" else precision
    for name in _fastest(machine.flags, wanted):
        if name in machine.runtimes:
            return Choice(name, wanted)
    return Choice("torch", wanted)


def _precision(machine: Machine, runtime: str) -> str:
    has = runtime in {"torch", "openvino"} and processor.has_bf16(machine.flags)
    return "bf16" if has else "fp32"


def _fastest(flags: frozenset[str], precision: str) -> tuple[str, ...]:
    """Runtimes for a precision, the fastest first, as measured (docs/speed.md). Runtimes that do not
    have the precision are left out."""
    if precision == "int8":
        # OpenVINO gains nothing from int8 without VNNI; ONNX Runtime does.
        return ("openvino", "onnx") if processor.has_int8(flags) else ("onnx",)
    if precision == "bf16":
        return ("openvino", "torch")
    # In float32 OpenVINO is ahead with AVX-512, ONNX Runtime without.
    if "avx512f" in flags:
        return ("openvino", "torch")
    return ("onnx", "openvino", "torch") if "avx2" in flags else ("torch",)
