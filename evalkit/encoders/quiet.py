"""Model libraries, loaded without network, telemetry or progress bars; nothing of it outlives the
loading."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hushed", "offline"]

#: Read by huggingface_hub and transformers when they are imported.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
#: Sends an event whenever openvino is imported; without it openvino falls back to its own silent
#: stub.
_TELEMETRY = "openvino_telemetry"


@contextmanager
def offline() -> Iterator[None]:
    """Import and load inside of this. The environment is put back afterwards."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    blocked = _TELEMETRY not in sys.modules
    os.environ.update(_ENVIRONMENT)
    if blocked:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if blocked:
            sys.modules.pop(_TELEMETRY, None)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing below an error is logged by transformers inside of this: what reads all attributes of a
    model, as converters do, makes it warn of a loss that no one asked for."""
    with offline():
        from transformers.utils import logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
