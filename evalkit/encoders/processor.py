"""What the processor can do, read from the operating system: decides which precisions make
sense."""

from __future__ import annotations

import platform
import re
from pathlib import Path

__all__ = ["BF16_FLAGS", "INT8_FLAGS", "flags", "has_bf16", "has_int8", "instruction_set"]

#: Without one of these, bfloat16 is emulated: measured five times SLOWER than float32.
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
#: Without one of these, int8 products take more instructions than float32 ones save.
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_CPUINFO = Path("/proc/cpuinfo")


def flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """The processor's feature flags; empty where the operating system does not list them."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def has_bf16(known: frozenset[str] | None = None) -> bool:
    """Whether bfloat16 matrix products run in hardware."""
    return bool(BF16_FLAGS & (flags() if known is None else known))


def has_int8(known: frozenset[str] | None = None) -> bool:
    """Whether sums of int8 products are one instruction."""
    return bool(INT8_FLAGS & (flags() if known is None else known))


def instruction_set(known: frozenset[str] | None = None) -> str:
    """The widest vector instructions, for example `x86_64-avx512_bf16`: another set may give other
    last bits."""
    have = flags() if known is None else known
    widest = [
        name for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd") if name in have
    ]
    return "-".join([platform.machine() or "unknown", *widest[:1]])
