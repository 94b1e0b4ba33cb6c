"""Whether an NVIDIA GPU can be used, and which it is, without importing torch."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["available", "name"]

_DEVICE = Path("/dev/nvidiactl")
_GPUS = Path("/proc/driver/nvidia/gpus")


def available(device: Path = _DEVICE) -> bool:
    """Whether there is a driver and a torch that is not its CPU build; that it works is seen when a
    model is loaded."""
    try:
        built = version("torch")
    except PackageNotFoundError:
        return False
    return device.exists() and not built.endswith("+cpu")


def name(gpus: Path = _GPUS) -> str:
    """The first GPU's model, as its driver says it: another one may give other last bits."""
    for path in sorted(gpus.glob("*/information")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = re.search(r"^Model:\s*(.+)$", text, re.MULTILINE)
        if found:
            return found[1].strip()
    return "GPU of unknown model"
