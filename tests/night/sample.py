"""Runs evalkit on the sample traffic in a process of its own, with every way to the network shut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from evalkit.lake import Lake

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "datasets" / "sample"

#: Runs evalkit's command line with every connection but loopback refused, whichever library asks for it.
OFFLINE = """
import ipaddress, sys

def guard(event, args):
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if host in (None, "localhost"):
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    sys.stderr.write(f"NETWORK {event} {host}\\n")
    raise OSError(f"no network in this test: {event} {host}")

sys.addaudithook(guard)
from evalkit.cli import main
main()
"""


@dataclass(frozen=True)
class Nights:
    """A finished backfill: its lake, its pages, what it printed and how it ended."""

    folder: Path
    exit_code: int
    stdout: str
    stderr: str

    @property
    def lake(self) -> Lake:
        return Lake(str(self.folder / "lake"))

    @property
    def pages(self) -> Path:
        return self.folder / "pages"


def configured(folder: Path, extra: str = "") -> Path:
    """A configuration of the sample traffic that writes into `folder`."""
    path = folder / "evalkit.toml"
    path.write_text(
        f"""
[sources.gateway]
format = "openai_log"
path = "{SAMPLE}/logs/*.jsonl.gz"
[prices]
file = "{SAMPLE}/prices.json"
[labels]
path = "{SAMPLE}/labels.jsonl"
[report]
dir = "pages"
title = "Helpdesk assistant"
{extra}
""",
        "utf-8",
    )
    return path


def evalkit(*args: str, timeout: float = 1200) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, without network: a namespace where the kernel allows, a guard always."""
    command = [sys.executable, "-c", OFFLINE, *args]
    alone = shutil.which("unshare")
    if (
        alone
        and subprocess.run([alone, "-rn", "true"], capture_output=True, check=False).returncode == 0
    ):
        command = [alone, "-rn", *command]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )
