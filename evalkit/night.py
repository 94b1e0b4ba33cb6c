"""THE NIGHT: its steps in order. Read this first.

    source ──ingest──▶ interactions ──score──▶ scores ──rollup──▶ daily ──detect──▶ findings ──report──▶ page ──send──▶ mail
               └──▶ rejects, prompts, labels, fields, ledger     frozen rows ──score──▶ canary

Each step reads tables and replaces its own table's day in one atomic commit. So any step can be run again, alone, in any
order of days, and killed at any instant: the tables always hold whole days.

The nights just before it are read again with each night: late records reopen their day, which is then scored, rolled
up, detected and reported again, without mail; a day that nothing came in for is left alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from evalkit import canary, prices, scoring
from evalkit.config import Settings
from evalkit.detection import detect
from evalkit.encoders import Embedder, open_embedder
from evalkit.engine import Crew, open_crew
from evalkit.errors import EvalkitError
from evalkit.ingest import ingest
from evalkit.lake import Lake, ledger
from evalkit.metrics import Metric
from evalkit.reporting import report, send
from evalkit.rollup import rollup
from evalkit.schema import INTERACTIONS, LEDGER
from evalkit.scoring import Adaptation, metrics, score, scorer_fingerprint
from evalkit.verdict import NightSummary, failed, judge
from evalkit.version import __version__

__all__ = ["Night", "backfill", "refit", "run", "step"]

_LOG = logging.getLogger(__name__)

#: Gets one line for each thing that is done: (day, step, what).
Say = Callable[[date, str, str], None]


@dataclass(frozen=True)
class Night:
    """What one night, or one step of it, came to."""

    summary: NightSummary
    report: Path | None = None
    mail: str = "none"
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        return self.summary.exit_code


@dataclass(frozen=True)
class Tools:
    """What the steps share, opened once however many nights are run."""

    settings: Settings
    lake: Lake
    embedder: Embedder
    prices: prices.PriceList
    metrics: dict[str, Metric]
    instrument: canary.Instrument
    crew: Crew


def run(settings: Settings, day: date, say: Say, *, replace: bool = False) -> Night:
    """One whole night, from the sources to the mail. What cannot be finished is a night that failed, not an error.

    The nights before it, as far as `[ingest] look_back_days` says, are read again too, and reopened where late records
    came or where they were missed or not finished. With `replace` nothing is looked back on, and of the night only what
    can be read now stands.
    """
    with _opened(settings) as tools:
        before = [] if replace else _looked_back_on(tools, day)
        night = _nights(tools, [day], say, before=before, again=True, mail=True, replace=replace)[
            -1
        ]
        try:
            tools.lake.tidy()
        except (
            EvalkitError
        ) as error:  # the night is done: what is left over is no reason to call it off
            _LOG.warning("%s", error)
        return night


def backfill(
    settings: Settings,
    days: Sequence[date],
    say: Say,
    *,
    again: bool = False,
    replace: bool = False,
) -> list[Night]:
    """Past nights in order of their days; every source is read once for all of them, and no mail is sent.

    Without `again` a night is left out when nothing that it rests on has changed since it was last run: what came in,
    the configuration, the scorers and models, and no night before it in `days` was run. With `replace` only what can be
    read now stands, and every row is scored anew.
    """
    with _opened(settings) as tools:
        return _nights(tools, days, say, again=again or replace, mail=False, replace=replace)


def _looked_back_on(tools: Tools, day: date) -> list[date]:
    """The days before a night that are read again with it: none before the first that was ever stored."""
    first = min(tools.lake.days(LEDGER), default=day)
    back = range(tools.settings.ingest.look_back_days, 0, -1)
    return [before for n in back if (before := day - timedelta(days=n)) >= first]


def _nights(
    tools: Tools,
    days: Sequence[date],
    say: Say,
    *,
    before: Sequence[date] = (),
    again: bool,
    mail: bool,
    replace: bool,
) -> list[Night]:
    """Ingest of all days at once, then day by day the steps after it, where there is anything to do.

    A night rests on those before it (sessions, chunks, baselines, what was found): once one was run, so are those after
    it. That is cheap: rows that nothing has changed for keep their scores, and tables that would not change are not
    committed.
    """
    began = time.monotonic()
    try:
        taken = ingest(tools.settings, tools.lake, [*before, *days], replace=replace, missed=before)
    except EvalkitError as error:
        return [_give_up(tools, day, str(error), began) for day in days]
    nights: list[Night] = []
    for one in taken:
        if one.day in days or one.changed:
            say(one.day, "ingest", str(one))
        wanted = (
            _is_open(tools, one.day) if one.day in before else again or _has_changed(tools, one.day)
        )
        if nights or wanted:
            send_it = mail and one.day in days
            nights.append(_night(tools, one.day, say, mail=send_it, fresh=replace))
    return nights


def _night(tools: Tools, day: date, say: Say, *, mail: bool, fresh: bool) -> Night:
    """The steps of one day after ingest."""
    began = time.monotonic()
    settings, lake = tools.settings, tools.lake
    try:
        scored = score(
            settings, lake, day, tools.embedder, tools.prices, fresh=fresh, crew=tools.crew
        )
        say(day, "score", str(scored))
        say(day, "canary", str(canary.record(lake, day, tools.instrument)))
        say(day, "rollup", str(rollup(settings, lake, day, tools.metrics)))
        say(day, "detect", str(detect(settings, lake, day, tools.metrics)))
        summary = judge(settings, lake, day)
        # The page shows what it was made with; only a run that got to its end counts as done.
        ledger.record_run(lake, _run_of(tools, summary, began, done=False))
        page = report(settings, lake, summary, tools.metrics)
        say(day, "report", str(page))
        sent = send(settings, lake, summary, tools.metrics) if mail else None
        say(day, "send", str(sent or "none: past nights are not mailed"))
    except EvalkitError as error:
        return _give_up(tools, day, str(error), began)
    except Exception as error:  # noqa: BLE001  (a defect of ours or of an extension: the night says so and why)
        _LOG.exception("%s could not be finished", day)
        return _give_up(tools, day, f"{type(error).__name__}: {error}", began)
    ledger.record_run(lake, _run_of(tools, summary, began))
    return Night(summary, page, sent.status if sent else "none", time.monotonic() - began)


def step(name: str, settings: Settings, day: date, say: Say) -> Night:
    """One step of one night, for schedulers that show steps. `ingest` looks back on the nights before, as `run` does.

    Raises:
        EvalkitError: the step cannot be done.
    """
    began = time.monotonic()
    with _opened(settings) as tools:
        lake = tools.lake
        page, mail = None, "none"
        if name == "ingest":
            before = _looked_back_on(tools, day)
            _nights(tools, [], say, before=before, again=False, mail=False, replace=False)
            done: object = ", ".join(str(taken) for taken in ingest(settings, lake, [day]))
        elif name == "score":
            done = score(settings, lake, day, tools.embedder, tools.prices, crew=tools.crew)
            say(day, "canary", str(canary.record(lake, day, tools.instrument)))
        elif name == "rollup":
            done = rollup(settings, lake, day, tools.metrics)
        elif name == "detect":
            done = detect(settings, lake, day, tools.metrics)
        elif name == "report":
            done = page = report(settings, lake, judge(settings, lake, day), tools.metrics)
        else:
            done = sent = send(settings, lake, judge(settings, lake, day), tools.metrics)
            mail = sent.status
        say(day, name, str(done))
        summary = judge(settings, lake, day)
        if name in {"detect", "send"}:  # known what the night came to; done with it
            ledger.record_run(lake, _run_of(tools, summary, began, done=name == "send"))
        return Night(summary, page, mail, time.monotonic() - began)


def refit(settings: Settings, metrics: Sequence[str]) -> list[Adaptation]:
    """Fit the models of some metrics to the labels in the lake (see `scoring.refit`).

    Raises:
        DayError: nothing was stored in the lake yet.
        EvalkitError: a metric has no model that learns, or a refitted model cannot be kept.
    """
    with _opened(settings) as tools:
        until = tools.lake.days(INTERACTIONS)[-1]
        return [
            scoring.refit(settings, tools.lake, tools.embedder, tools.prices, until, metric)
            for metric in metrics
        ]


@contextmanager
def _opened(settings: Settings) -> Iterator[Tools]:
    lake = Lake(settings.lake_url)
    file = settings.prices.file
    price_list = prices.load(None if file is None else settings.path(file))
    with open_embedder(settings) as embedder, open_crew(settings) as crew:
        instrument = canary.Instrument(settings, embedder, price_list)
        yield Tools(settings, lake, embedder, price_list, metrics(settings), instrument, crew)


def _has_changed(tools: Tools, day: date) -> bool:
    last = ledger.last_run(tools.lake, day)
    if last is None or last["status"] in {"failed", "running"}:
        return True
    known: tuple[str, dict[str, str]] = last["config_hash"], last["versions"]
    return known != (tools.settings.fingerprint, _versions(tools, day))


def _is_open(tools: Tools, day: date) -> bool:
    """Whether a night that is looked back on has anything to do: it was missed or not finished, or something came in.

    Another configuration or version is none: past nights stand as they were made.
    """
    last = ledger.last_run(tools.lake, day)
    if last is None or last["status"] in {"failed", "running"}:
        return True
    known = last["versions"]
    now = _came_in(tools, day)
    return any(known.get(name, value) != value for name, value in now.items())


def _came_in(tools: Tools, day: date) -> dict[str, str]:
    return {
        "interactions": ledger.digest(tools.lake, day),
        "hours": ledger.hours_digest(tools.lake, day),
    }


def _versions(tools: Tools, day: date) -> dict[str, str]:
    """Everything that the figures of a night rest on."""
    return {
        "evalkit": __version__,
        "encoder": tools.embedder.fingerprint,
        "scorers": scorer_fingerprint(tools.settings, tools.embedder, tools.prices),
        "prices": tools.prices.fingerprint,
        **_came_in(tools, day),
    }


def _run_of(tools: Tools, summary: NightSummary, began: float, *, done: bool = True) -> ledger.Run:
    return ledger.Run(
        day=summary.day,
        status=summary.status if done else "running",
        exit_code=summary.exit_code,
        config_hash=tools.settings.fingerprint,
        versions=_versions(tools, summary.day),
        message=" ".join(summary.reasons) or None,
        started_at=datetime.now(UTC),
        seconds=time.monotonic() - began,
        counts=summary.counts,
    )


def _give_up(tools: Tools, day: date, reason: str, began: float) -> Night:
    """The night cannot be finished: say so in the ledger, so that the next report and `backfill` know."""
    summary = failed(day, reason)
    ledger.record_run(tools.lake, _run_of(tools, summary, began))
    return Night(summary, seconds=time.monotonic() - began)
