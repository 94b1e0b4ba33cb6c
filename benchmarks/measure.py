"""What all benchmarks share: a row of a table, the machine in words, the best of some runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Peak", "Row", "best_of", "by_itself", "cpu_seconds", "machine"]

_KIB_PER_MIB = 1024.0


@dataclass(frozen=True)
class Row:
    """One figure; `against` names the baseline of the same run, or says what it was measured on."""

    what: str
    value: float
    unit: str
    against: str = ""


def machine() -> str:
    """The processor's instruction set and the threads used: no figure means anything without them."""
    import torch

    from evalkit.encoders import processor

    return f"{processor.instruction_set()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def best_of(runs: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest of some runs: what disturbs a run only makes it longer."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def cpu_seconds() -> float:
    """Seconds of all processors that this process and its ended children have used: where other work runs beside, only
    this can be compared."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def by_itself(module: str, *given: object) -> dict[str, Any]:
    """What a module of `benchmarks` says in its last line (JSON), run in a process that has done nothing else, with the
    most memory that it held as `process_mib`, it and its children as `tree_mib`.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        peak = Peak(running.pid)
        out, err = running.communicate()
        peak.stop()
    if running.returncode:
        raise RuntimeError(f"{' '.join(command)}: {err.decode('utf-8', 'replace')[-2000:]}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {**found, "process_mib": peak.process_mib, "tree_mib": peak.tree_mib}


class Peak:
    """Looks at a process and its children until it is stopped, for the most memory that one of them, and all of them
    together, held (Linux)."""

    def __init__(self, pid: int) -> None:
        self._tree = self._process = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def process_mib(self) -> float:
        return self._process / _KIB_PER_MIB

    @property
    def tree_mib(self) -> float:
        return self._tree / _KIB_PER_MIB

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            held = [(_held(pid, "VmRSS"), _held(pid, "VmHWM")) for pid in _with_children(self._pid)]
            self._tree = max(self._tree, sum(now for now, _ in held))
            self._process = max([self._process, *(most for _, most in held)])


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found.extend(map(int, path.read_text().split()))
            except OSError:  # it has ended meanwhile
                continue
    return found


def _held(pid: int, key: str) -> int:
    """KiB, as /proc says it; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    match = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) if match else 0
