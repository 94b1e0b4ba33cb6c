"""evalkit.toml: every key, its type, its default and what it means. Read once, at the door."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from evalkit.errors import ConfigError, DayError

__all__ = [
    "DetectSettings",
    "EncoderSettings",
    "EngineSettings",
    "IngestSettings",
    "LabelsSettings",
    "LakeSettings",
    "MailSettings",
    "NightSettings",
    "RedactionSettings",
    "ReportSettings",
    "RollupSettings",
    "ScoringSettings",
    "Settings",
    "SourceSettings",
    "day_bounds",
    "load",
    "parse_day",
]

Severity = Literal["info", "warning", "critical"]
PersonalData = Literal["email", "phone", "card", "iban", "key", "ip"]


def _zone(name: str) -> str:
    if name not in available_timezones():
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = (
            f" Did you mean {close[0]!r}?"
            if close
            else " Use an IANA name such as 'Europe/Zurich'."
        )
        raise ValueError(f"{name!r} is no time zone.{hint}")
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NightSettings(_Section):
    """What a night is, and what it tells its scheduler."""

    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="IANA time zone that decides to which day an event belongs"
    )
    fail_on: Severity = Field(
        "warning", description="exit with 1 when an open finding is at least this severe"
    )
    coverage_floor: float = Field(
        0.9, ge=0, le=1, description="exit with 2 when a smaller share of eligible rows has a score"
    )
    completeness_floor: float = Field(
        0.9,
        ge=0,
        le=1,
        description="exit with 2 when fewer readable records than this share were received, "
        "or an hour's traffic is missing",
    )


class LakeSettings(_Section):
    """Where the tables are."""

    path: str = Field(
        "lake", description="folder of the tables, relative to the file, or an s3:// URL"
    )


class SourceSettings(_Section):
    """One place that logged traffic comes from. The table's name is the source's name."""

    format: str = Field(description="the log format: openai_log, jsonl, ...")
    path: str | None = Field(
        None,
        description="file, folder or glob, relative to the file, or s3://bucket/prefix; packed files "
        "(.gz, .zst) are read as they are",
    )
    url: str | None = Field(
        None,
        description="instead of path: the root of the vendor's API (https://...) or a database "
        "(postgresql://user@host/name); a password never stands in it",
    )
    key_env: str | None = Field(
        None, description="environment variable that holds the API key or the public key"
    )
    secret_env: str | None = Field(
        None, description="environment variable that holds the secret key or the password"
    )
    project: str | None = Field(
        None, description="which project of the vendor, where a key opens several"
    )
    endpoint: str | None = Field(
        None, description="for s3:// paths: the address of an S3-compatible store"
    )
    query: str | None = Field(
        None,
        description="for databases: the SELECT whose rows are read; without it the format's own",
    )
    watermark: str | None = Field(
        None, description="for databases: the query's column that says when a row was written"
    )
    window_minutes: int = Field(
        60,
        ge=1,
        le=1440,
        description="how much time is asked for at once; halved where it times out",
    )
    requests_per_second: float = Field(
        5.0, gt=0, description="no more requests than this are sent to an API"
    )
    timeout_seconds: float = Field(30.0, gt=0, description="how long one answer may take")
    give_up_minutes: float = Field(
        10.0,
        ge=0,
        description="how long a night tries a source that fails before it goes on without",
    )
    ca_file: str | None = Field(None, description="certificates to trust instead of the system's")
    chunks: str | None = Field(
        None,
        description="Parquet file or glob with doc_id and text, for logs that carry only the ids of "
        "their chunks",
    )
    required: bool = Field(True, description="false: no matching file is no error")
    question_pattern: str = Field(
        r"(?:^|\n)[ \t]*(?:Question|User question|Query)\s*:\s*",
        description="regular expression that ends where the user's question begins, for prompts that "
        "hold contexts and question in one message; '' to take the whole message",
    )
    defaults: dict[str, str] = Field(
        default_factory=dict,
        description="values for columns that the format does not carry, for example app = 'shop'",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="for format = 'table': which of its columns (dots lead into objects) is which "
        "column of interactions, for example query = 'question'",
    )

    @model_validator(mode="after")
    def _one_place(self) -> SourceSettings:
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        return self


class IngestSettings(_Section):
    """What is read again, and where what came over a network is kept."""

    look_back_days: int = Field(
        2,
        ge=0,
        le=60,
        description="how many days before the night's are read again; late rows reopen their day",
    )
    landing: str = Field(
        "landing", description="folder of what was fetched from APIs and databases, as it came"
    )
    landing_days: int | None = Field(
        None,
        ge=7,
        description="for how many days it stays there; rows in the lake stay. Without it for good",
    )


class RedactionSettings(_Section):
    """What is taken out of texts before anything is stored."""

    classes: list[PersonalData] = Field(
        default_factory=lambda: list[PersonalData](["key"]),
        description="built-in classes: email, phone, card, iban, key (credentials), ip",
    )
    patterns: dict[str, str] = Field(
        default_factory=dict, description="your own: a name and its regular expression"
    )
    hash_users_env: str | None = Field(
        None,
        description="environment variable that holds a key: user ids are stored as keyed hashes",
    )

    @field_validator("patterns")
    @classmethod
    def _usable_patterns(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name):
                raise ValueError(f"{name!r}: a name is letters, digits, _ and -, from a letter on")
            if name.lower() in get_args(PersonalData):
                raise ValueError(f"{name!r} is a built-in class: name it otherwise")
            try:
                empty = re.compile(pattern).fullmatch("")
            except re.error as error:
                raise ValueError(f"{name}: no regular expression: {error}") from None
            if empty is not None:
                raise ValueError(
                    f"{name}: it matches nothing at all, so everywhere. Ask for a character"
                )
        return patterns


class PriceSettings(_Section):
    """What tokens cost."""

    file: str | None = Field(
        None, description="a cost map in LiteLLM's shape; without it the shipped list is used"
    )


class LabelsSettings(_Section):
    """Human verdicts that come with the traffic."""

    path: str | None = Field(
        None, description="JSONL of {source_id, metric, value, by, at}, read with every ingest"
    )
    rate_days: int = Field(
        28,
        ge=1,
        le=365,
        description="a rate is that of so many days, with the labels of these days",
    )
    rate_least: int = Field(
        30, ge=1, description="no rate with fewer labelled interactions; it is called a proxy then"
    )


class EncoderSettings(_Section):
    """Which embedding model runs, and how."""

    runtime: str = Field("auto", description="auto, torch, openvino, onnx or cuda")
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "fp32", description="fp32 compares with every other machine; bf16 and int8 are faster"
    )
    model: str | None = Field(
        None, description="folder of a sentence-transformers model; without it all-MiniLM-L6-v2"
    )
    cache: str | None = Field(
        None, description="file of the embedding cache; without it cache.sqlite beside the lake"
    )
    threads: int | None = Field(None, ge=1, description="processor threads; without it all")


class ScoringSettings(_Section):
    """Which scorers run."""

    include: list[str] = Field(default_factory=list, description="only these scorers; [] for all")
    exclude: list[str] = Field(default_factory=list, description="not these scorers")
    batch_rows: int = Field(
        512, ge=1, le=65536, description="interactions held in memory at a time"
    )
    verifier: bool = Field(
        False,
        description="read each claim against its evidence with the verifier: several times slower, "
        "better on claims that change a fact; docs/agreement.md says what it brings",
    )
    budget: str = Field(
        "all",
        description="how long a day's models may run: all, a time (20m, 1.5h, 90s), $0 for what needs "
        "none, or an amount ($1.50) with [engine] usd_per_hour; rows beyond it are sampled, "
        "docs/budget.md",
    )
    tokens_per_second: float | None = Field(
        None,
        gt=0,
        description="tokens of texts that a worker's models read in a second, to make a budget's time "
        "a number of tokens; without it what former nights reached",
    )
    models: str = Field(
        "evalkit-models",
        description="folder of models refitted to your labels (`evalkit labels refit`)",
    )

    @field_validator("budget")
    @classmethod
    def _readable_budget(cls, budget: str) -> str:
        if budget != "all" and _amount(budget) is None:
            raise ValueError(
                f"{budget!r} is no budget. Write all, a time such as 20m, 1.5h or 90s, or an amount "
                "such as $0 or $1.50"
            )
        return budget


def _amount(budget: str) -> tuple[float, str] | None:
    """A budget's number and unit: s, m, h or $.

    >>> _amount("20m"), _amount("$1.50"), _amount("-3m")
    ((20.0, 'm'), (1.5, '$'), None)
    """
    time = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", budget)
    if time is not None:
        return float(time[1]), time[2]
    money = re.fullmatch(r"\$\s*(\d+(?:\.\d+)?)", budget)
    return None if money is None else (float(money[1]), "$")


class EngineSettings(_Section):
    """Who scores: this process, several on this machine, or the workers of a cluster."""

    kind: str = Field("local", description="local, dask or ray")
    workers: int = Field(
        1, ge=1, le=4096, description="how many score at once; 1 with local: this process alone"
    )
    address: str | None = Field(
        None,
        description="the cluster's address (tcp://host:8786, ray://host:10001 or auto); without it "
        "one is started on this machine for the run",
    )
    shard_rows: int = Field(
        2048,
        ge=1,
        le=65_536,
        description="interactions that a worker is given at once: what a killed run may do again",
    )
    staging: str | None = Field(
        None,
        description="folder that all workers reach, for what is on its way; without it beside the "
        "lake",
    )
    usd_per_hour: float | None = Field(
        None, gt=0, description="what an hour of one worker costs, for a budget in dollars"
    )


class RollupSettings(_Section):
    """By which columns each day is divided."""

    segments: list[str] = Field(
        default_factory=lambda: ["app", "route", "model", "prompt_version", "provider"],
        description="columns of interactions",
    )
    max_values: int = Field(
        50, ge=1, description="the largest values per segment that get figures of their own"
    )


class DetectSettings(_Section):
    """How much change is worth waking someone."""

    false_alarms_per_month: float = Field(
        0.5, gt=0, le=30, description="how many findings a month chance alone may cause"
    )
    baseline_days: int = Field(
        28, ge=7, le=365, description="how far back the normal level is taken from"
    )
    min_history_days: int = Field(
        7, ge=3, le=90, description="no verdict with fewer days of history"
    )
    min_rows: int = Field(
        20, ge=2, description="no verdict on a segment with fewer scored rows a day"
    )
    min_effect_share: float = Field(
        0.05, ge=0, le=1, description="smallest change of a probability or share worth a finding"
    )
    min_effect_ratio: float = Field(
        0.15, ge=0, description="smallest relative change of tokens, money or time worth a finding"
    )


class ReportSettings(_Section):
    """The page."""

    dir: str = Field("reports", description="folder of the pages, relative to the file")
    pack: str | None = Field(
        None, description="your copy of the report pack; without it the shipped one"
    )
    title: str = Field("LLM traffic", description="what the page is about, in its heading")
    examples: int = Field(3, ge=0, le=20, description="example interactions shown per finding")
    trend_days: int = Field(30, ge=2, le=366, description="days in the trend charts")
    link: str | None = Field(
        None, description="URL under which the pages are served, for the link in the mail"
    )


class MailSettings(_Section):
    """The mail; nothing is sent without a host."""

    host: str | None = Field(None, description="SMTP server; without it no mail is sent")
    port: int = Field(587, ge=1, le=65535, description="its port")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="how the line is secured"
    )
    ca_file: str | None = Field(None, description="certificates to trust instead of the system's")
    user: str | None = Field(None, description="user name, when the server asks for one")
    password_env: str | None = Field(
        None, description="environment variable that holds the password (it is never in this file)"
    )
    sender: str = Field("evalkit@localhost", description="From")
    to: list[str] = Field(default_factory=list, description="who gets it")
    when: Literal["always", "findings"] = Field(
        "always", description="every night, or only with findings"
    )
    examples: bool = Field(False, description="show texts of users in the mail")
    attach: bool = Field(False, description="attach the whole page")
    timeout_seconds: float = Field(20.0, gt=0, description="how long the server may take")


class Settings(_Section):
    """The whole file."""

    night: NightSettings = Field(default_factory=NightSettings)
    lake: LakeSettings = Field(default_factory=LakeSettings)
    sources: dict[str, SourceSettings] = Field(default_factory=dict)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    redaction: RedactionSettings = Field(default_factory=RedactionSettings)
    prices: PriceSettings = Field(default_factory=PriceSettings)
    labels: LabelsSettings = Field(default_factory=LabelsSettings)
    encoder: EncoderSettings = Field(default_factory=EncoderSettings)
    scoring: ScoringSettings = Field(default_factory=ScoringSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    rollup: RollupSettings = Field(default_factory=RollupSettings)
    detect: DetectSettings = Field(default_factory=DetectSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    #: The folder that relative paths start from, and the file's name for messages; not keys of the file.
    base: Path = Field(default_factory=Path, exclude=True)
    file: str = Field("evalkit.toml", exclude=True)

    @model_validator(mode="after")
    def _known_segments(self) -> Settings:
        from evalkit.schema import INTERACTIONS

        known = [c.name for c in INTERACTIONS.columns]
        for name in self.rollup.segments:
            if name not in known:
                raise ValueError(
                    f"[rollup] segments: {name!r} is no column of interactions.{_did_you(name, known)}"
                )
        return self

    @model_validator(mode="after")
    def _priced_budget(self) -> Settings:
        number, unit = _amount(self.scoring.budget) or (0.0, "s")
        if unit == "$" and number > 0 and self.engine.usd_per_hour is None:
            raise ValueError(
                f"[scoring] budget: {self.scoring.budget!r} needs the price of an hour of this "
                "machine: set [engine] usd_per_hour, or give a time."
            )
        return self

    @property
    def budget_seconds(self) -> float | None:
        """How many seconds of one worker's time a day may be scored for; None: as many as it takes."""
        amount = _amount(self.scoring.budget)
        if amount is None:
            return None
        number, unit = amount
        if unit == "$":
            return number / self.engine.usd_per_hour * 3600 if self.engine.usd_per_hour else 0.0
        return number * {"s": 1, "m": 60, "h": 3600}[unit] * self.engine.workers

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.night.timezone)

    def path(self, value: str) -> Path:
        """A path of the file as an absolute path (relative ones start at the file's folder)."""
        return (self.base / Path(value).expanduser()).resolve()

    @property
    def lake_url(self) -> str:
        """The lake's location: an absolute folder, or the s3:// URL as it stands."""
        return self.lake.path if "://" in self.lake.path else str(self.path(self.lake.path))

    @property
    def models_path(self) -> Path:
        """The folder of models that were refitted to the deployment's labels."""
        return self.path(self.scoring.models)

    @property
    def staging_path(self) -> Path:
        """The folder of shards and results that are on their way into the lake."""
        if self.engine.staging is not None:
            return self.path(self.engine.staging)
        if "://" in self.lake.path:
            return self.path("staging")
        lake = self.path(self.lake.path)
        return lake.parent / f"{lake.name}-staging"

    @property
    def cache_path(self) -> Path:
        """The embedding cache's file."""
        if self.encoder.cache is not None:
            return self.path(self.encoder.cache)
        if "://" in self.lake.path:
            return self.path("cache.sqlite")
        lake = self.path(self.lake.path)
        return lake.parent / f"{lake.name}-cache.sqlite"

    @property
    def networks_path(self) -> Path:
        """The folder beside the cache for what networks were made into, and what is known of them."""
        return self.cache_path.with_name(f"{self.cache_path.stem}-models")

    @property
    def fingerprint(self) -> str:
        """Hash of every key's value (not of comments or order), but for `[engine]`: who scores
        changes no figure."""
        text = json.dumps(self.model_dump(mode="json", exclude={"engine"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: Path | str) -> Settings:
    """Read `evalkit.toml`.

    Raises:
        ConfigError: no such file, no valid TOML, an unknown key or a value of the wrong type; the message
            names the file, the table, the key and the fix.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "evalkit.toml"
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file. Run `evalkit init` to write one, or name yours with --config."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}).") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    for hidden in ("base", "file"):
        if hidden in raw:
            raise ConfigError(f"{path}: {hidden}: unknown key.{_did_you(hidden, _top_keys())}")
    try:
        return Settings.model_validate(
            raw | {"base": path.resolve().parent, "file": path.name}, strict=True
        )
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path.name, item) for item in error.errors())) from None


def _top_keys() -> list[str]:
    return [name for name in Settings.model_fields if name not in {"base", "file"}]


def _explain(file: str, item: Any) -> str:
    location = [str(part) for part in item["loc"]]
    table, key = location[:-1], location[-1] if location else ""
    where = f"{file}: " + (f"[{'.'.join(table)}] " if table else "")
    if item["type"] == "extra_forbidden":
        return f"{where}{key}: unknown key.{_did_you(key, _keys_of(table))}"
    if item["type"] == "missing":
        return f"{where}{key}: missing. {_help_of(table, key)}".rstrip()
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "value_error" and table and table[0] == "sources" and len(table) == 1:
        return f"{file}: [sources.{key}]: {message}."
    if item["type"] == "value_error" and not location:
        return f"{file}: {message}"
    given = json.dumps(item["input"], default=str)
    return f"{where}{key}: {message[0].lower()}{message[1:]} (it is {given[:80]}). {_help_of(table, key)}".rstrip()


def _model_of(table: list[str]) -> type[BaseModel] | None:
    if not table:
        return Settings
    if table[0] == "sources":
        return SourceSettings if len(table) > 1 else None
    field = Settings.model_fields.get(table[0])
    annotation = field.annotation if field else None
    return (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    )


def _keys_of(table: list[str]) -> list[str]:
    model = _model_of(table)
    if model is None:
        return []
    return [name for name in model.model_fields if name not in {"base", "file"}]


def _help_of(table: list[str], key: str) -> str:
    model = _model_of(table)
    field = model.model_fields.get(key) if model else None
    return f"It means: {field.description}." if field and field.description else ""


def _did_you(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(known)}." if known else ""


def parse_day(text: str) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        DayError: it is not.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DayError(
            f"{text!r} is no day. Write it as YYYY-MM-DD, for example 2026-11-22."
        ) from None


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first instant of a day and of the next, in UTC; 23 or 25 hours apart when clocks change."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    utc = ZoneInfo("UTC")
    return start.astimezone(utc), end.astimezone(utc)
