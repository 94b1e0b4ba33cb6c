"""`evalkit init`: a commented evalkit.toml that runs, and some sample traffic to run it on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

from evalkit.errors import ConfigError

__all__ = ["Started", "sample_folder", "write"]

_NIGHTS = 10  # enough for a baseline, small enough to be done in a minute


@dataclass(frozen=True)
class Started:
    """What was written: the file, and the days of the sample traffic beside it."""

    config: Path
    days: list[date]


def write(folder: Path, *, sample: bool = True) -> Started:
    """Write `evalkit.toml` into a folder, and with `sample` some nights of traffic into `logs/`.

    Raises:
        ConfigError: there is a configuration already, or the folder cannot be written.
    """
    target = folder / "evalkit.toml"
    if target.exists():
        raise ConfigError(
            f"{target}: there is one already. Remove it first, or name another folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        days = _copy_sample(folder) if sample else []
        if not sample:
            (folder / "logs").mkdir(exist_ok=True)
        text = files("evalkit").joinpath("starter.toml").read_text("utf-8")
        if not sample:
            text = text.replace('file = "prices.json"', '# file = "prices.json"')
        target.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error}).") from error
    return Started(target, days)


def sample_folder() -> Path:
    """The sample traffic: in the wheel beside the code, in a source checkout under `datasets/`.

    Raises:
        ConfigError: this installation has none.
    """
    package = Path(str(files("evalkit")))
    for folder in (package / "_sample", package.parent / "datasets" / "sample"):
        if (folder / "logs").is_dir():
            return folder
    raise ConfigError("This installation has no sample traffic. Use `evalkit init --no-sample`.")


def _copy_sample(folder: Path) -> list[date]:
    source = sample_folder()
    logs = sorted((source / "logs").glob("*.jsonl.gz"))[:_NIGHTS]
    (folder / "logs").mkdir(exist_ok=True)
    for log in logs:
        shutil.copyfile(log, folder / "logs" / log.name)
    shutil.copyfile(source / "prices.json", folder / "prices.json")
    return [date.fromisoformat(log.name.removesuffix(".jsonl.gz")) for log in logs]
