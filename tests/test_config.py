"""Errors of the configuration name the file, the table, the key and the fix."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from evalkit import config
from evalkit.errors import ConfigError, DayError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "evalkit.toml"
    path.write_text(text, "utf-8")
    return path


def message(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(written(tmp_path, text))
    return str(caught.value)


SOURCE = '[sources.gateway]\nformat = "openai_log"\npath = "logs"\n'


def test_defaults_run(tmp_path: Path) -> None:
    settings = config.load(written(tmp_path, SOURCE))
    assert settings.sources["gateway"].required
    assert settings.lake_url == str(tmp_path / "lake")
    assert settings.cache_path == tmp_path / "lake-cache.sqlite"


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    written(tmp_path, SOURCE)
    assert config.load(tmp_path).base == tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[lake]\npth = 'x'", "evalkit.toml: [lake] pth: unknown key. Did you mean 'path'?"),
        ("[laek]\npath = 'x'", "evalkit.toml: laek: unknown key. Did you mean 'lake'?"),
        ("base = 'x'", "base: unknown key"),
        (
            "[sources.gateway]\npath = 'x'",
            "evalkit.toml: [sources.gateway] format: missing. It means: the log format",
        ),
        (
            SOURCE + "requierd = false",
            "[sources.gateway] requierd: unknown key. Did you mean 'required'?",
        ),
        (
            "[scoring]\nbatch_rows = '512'",
            '[scoring] batch_rows: input should be a valid integer (it is "512")',
        ),
        (
            "[scoring]\nbatch_rows = 0",
            "[scoring] batch_rows: input should be greater than or equal to 1 (it is 0)",
        ),
        ("[night]\ntimezone = 'Europe/Zürich'", "is no time zone. Did you mean 'Europe/Zurich'?"),
        (
            "[night]\nfail_on = 'error'",
            "[night] fail_on: input should be 'info', 'warning' or 'critical'",
        ),
        (
            "[rollup]\nsegments = ['rout']",
            "[rollup] segments: 'rout' is no column of interactions. Did you mean 'route'?",
        ),
        ("[lake\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in message(tmp_path, text)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    told = message(tmp_path, "[lake]\npth = 1\n[mail]\nport = 0")
    assert "pth" in told
    assert "port" in told


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="evalkit init"):
        config.load(tmp_path / "nothing.toml")


def test_the_fingerprint_follows_values_not_text(tmp_path: Path) -> None:
    plain = config.load(written(tmp_path, SOURCE)).fingerprint
    assert config.load(written(tmp_path, "# a comment\n" + SOURCE)).fingerprint == plain
    assert config.load(written(tmp_path, SOURCE + "required = false")).fingerprint != plain


def test_every_key_is_documented() -> None:
    for name, field in config.Settings.model_fields.items():
        if name in {"base", "file"}:
            continue
        model = config.SourceSettings if name == "sources" else field.annotation
        for key, inner in model.model_fields.items():  # type: ignore[union-attr]
            assert inner.description, f"[{name}] {key} has no description"


def test_days() -> None:
    assert config.parse_day("2026-11-22") == dt.date(2026, 11, 22)
    with pytest.raises(DayError, match="YYYY-MM-DD"):
        config.parse_day("22.11.2026")


@pytest.mark.parametrize(
    ("day", "hours"),
    [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25), (dt.date(2026, 6, 1), 24)],
)
def test_days_are_as_long_as_their_clocks_say(day: dt.date, hours: int) -> None:
    start, end = config.day_bounds(day, ZoneInfo("Europe/Zurich"))
    assert (end - start) == dt.timedelta(hours=hours)
    assert start.tzinfo == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [("all", None), ("90s", 90), ("20m", 1200), ("1.5h", 5400), ("$0", 0), ("$1.50", 13_500)],
)
def test_a_budget_is_so_many_seconds(tmp_path: Path, budget: str, seconds: float | None) -> None:
    text = f'{SOURCE}[scoring]\nbudget = "{budget}"\n[engine]\nusd_per_hour = 0.4\n'
    assert config.load(written(tmp_path, text)).budget_seconds == seconds


def test_a_time_is_the_wall_clocks_and_money_buys_one_workers(tmp_path: Path) -> None:
    text = SOURCE + '[scoring]\nbudget = "20m"\n[engine]\nworkers = 4\nusd_per_hour = 0.4\n'
    assert config.load(written(tmp_path, text)).budget_seconds == 4800
    text = text.replace("20m", "$0.40")
    assert config.load(written(tmp_path, text)).budget_seconds == 3600


@pytest.mark.parametrize("budget", ["20", "20 minutes", "-3m", "€2", "$", "1e3s", ""])
def test_what_is_no_budget_is_named(tmp_path: Path, budget: str) -> None:
    told = message(tmp_path, f'{SOURCE}[scoring]\nbudget = "{budget}"\n')
    assert "[scoring] budget: " in told
    assert "20m, 1.5h or 90s" in told


def test_a_budget_in_dollars_needs_the_price_of_an_hour(tmp_path: Path) -> None:
    told = message(tmp_path, f'{SOURCE}[scoring]\nbudget = "$1.50"\n')
    assert "[engine] usd_per_hour" in told
