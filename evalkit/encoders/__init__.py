"""Embedding models on the machine itself: `open_embedder` chooses runtime and precision and opens
the cache.

The default precision is fp32, which runs on torch, whatever the machine offers: scores of two
machines, or of the machine before and after it was replaced, compare. `precision = "auto"` lets the
machine choose (`choice`); what was chosen stands in every score's fingerprint.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from evalkit.config import Settings
from evalkit.encoders import gpu, processor, quantized, shapes
from evalkit.encoders.alike import kept_in
from evalkit.encoders.cache import VectorCache
from evalkit.encoders.choice import Choice, Machine, choose
from evalkit.encoders.contract import Encoder, Plan, Runtime, TokenEmbeddings
from evalkit.encoders.embedder import Embedder, EmbedderStats
from evalkit.encoders.model import Model, find_model
from evalkit.encoders.verifier import Reading, Verifier, open_verifier
from evalkit.errors import ConfigError, ExtensionError
from evalkit.registry import find, names

__all__ = [
    "Choice",
    "Embedder",
    "EmbedderStats",
    "Encoder",
    "Machine",
    "Model",
    "Plan",
    "Reading",
    "Runtime",
    "TokenEmbeddings",
    "Verifier",
    "choose",
    "find_model",
    "open_embedder",
    "open_verifier",
    "this_machine",
]

_PACKAGE = "evalkit.encoders.runtimes"
_GROUP = "evalkit.encoders"


def open_embedder(settings: Settings, *, cache: bool = True) -> Embedder:
    """The embedder that the configuration asks for; a context manager that closes its cache.

    Nothing heavy is imported and no model is loaded before a text is missing in the cache; that the
    model's files are the right ones is checked at once.

    Args:
        settings: `[encoder]`, and where the lake is.
        cache: False to keep nothing on disk.

    Raises:
        ModelError: the model's files are missing or wrong.
        ConfigError: no such runtime, or it cannot run here.
    """
    chosen = settings.encoder
    machine = this_machine() if "auto" in (chosen.runtime, chosen.precision) else None
    taken = (
        Choice(chosen.runtime, chosen.precision)
        if machine is None
        else choose(machine, chosen.runtime, chosen.precision)
    )
    runtime = _runtime(settings.file, taken.runtime)
    precision = _precision(settings.file, runtime, taken.precision)
    model = find_model(None if chosen.model is None else settings.path(chosen.model))
    plan = Plan(model, precision, chosen.threads, settings.networks_path)
    fingerprint = _fingerprint(runtime, plan)
    kept = None
    if cache:
        space = _space(fingerprint, runtime)
        kept = VectorCache(settings.cache_path, space, model.dim)
        plan = replace(plan, alike=kept_in(plan.folder, space, plan.threads))
    verifier = open_verifier(settings, cache=cache) if settings.scoring.verifier else None
    return Embedder(fingerprint, model.dim, lambda: runtime.load(plan), kept, verifier)


def this_machine() -> Machine:
    """What decides about `auto` on this machine; imports no model runtime."""
    found = find(_PACKAGE, _GROUP, Runtime)
    installed = {name for name, one in found.items() if one.obstacle("fp32") is None}
    return Machine(processor.flags(), frozenset(installed), gpu.available())


def _runtime(file: str, name: str) -> Runtime:
    try:
        return find(_PACKAGE, _GROUP, Runtime, name)[name]
    except ExtensionError:
        known = ", ".join(["auto", *names(_PACKAGE, _GROUP)])
        raise ConfigError(
            f"{file}: [encoder] runtime: {name!r} is no runtime. Known: {known}."
        ) from None


def _precision(file: str, runtime: Runtime, name: str) -> str:
    if name not in runtime.precisions:
        raise ConfigError(
            f"{file}: [encoder] precision: {runtime.name} has no {name}. "
            f"It has: {', '.join(runtime.precisions)}."
        )
    obstacle = runtime.obstacle(name)
    if obstacle is not None:
        raise ConfigError(
            f"{file}: [encoder] runtime {runtime.name}, precision {name}: {obstacle}."
        )
    return name


def _fingerprint(runtime: Runtime, plan: Plan) -> str:
    """What makes scores comparable: readable first, exact after the last dash."""
    exact = f"{runtime.name}\n{plan.precision}\n{plan.model.fingerprint}\n{shapes.VERSION}"
    if plan.precision == "int8":
        exact += f"\n{quantized.recipe()}"
    digest = hashlib.sha256(exact.encode()).hexdigest()[:12]
    return f"{plan.model.name}-{runtime.name}-{plan.precision}-{digest}"


def _space(fingerprint: str, runtime: Runtime) -> str:
    """Whose vectors a cache entry holds, to the last bit: libraries and instruction sets may round
    differently, and a night must not mix theirs."""
    return f"{fingerprint}\n{runtime.version()}\n{processor.instruction_set()}"
