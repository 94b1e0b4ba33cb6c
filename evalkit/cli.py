"""The verbs: parse, call, print. What they do is in `night`, `api` and below."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from evalkit import terminal
from evalkit.config import Settings, load, parse_day
from evalkit.errors import ConfigError, EvalkitError
from evalkit.schema import SCORES
from evalkit.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="evalkit",
    help="The nightly batch job that sees when an LLM application gets worse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file or its folder.")
]
Day = Annotated[
    str | None,
    typer.Option("--day", "-d", help="The day, YYYY-MM-DD; without it yesterday.", metavar="DAY"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Forget what is stored of the day: only what can be read now stands, scored anew.",
    ),
]
LakePath = Annotated[
    Path | None,
    typer.Option("--lake", help="A lake's folder, instead of the one in the configuration."),
]

_CONFIG = Path("evalkit.toml")


def main() -> None:
    """The console script: errors become one message and exit code 3."""
    try:
        # Not standalone, so that errors come here; an exit code then comes back as the result.
        code = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except EvalkitError as error:
        terminal.error(str(error))
        sys.exit(3)
    except Exception as error:
        usage = getattr(error, "show", None)  # click's own usage errors know how to show themselves
        if usage is None:
            raise
        usage()
        sys.exit(3)
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _settings_of(config: Path, day: str | None) -> Iterator[tuple[Settings, date]]:
    settings = load(config)
    yield settings, _day(settings, day)


def _day(settings: Settings, day: str | None) -> date:
    if day is not None:
        return parse_day(day)
    return datetime.now(settings.zone).date() - timedelta(days=1)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"evalkit {__version__}")
        raise typer.Exit


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it.", metavar="DIR")] = Path(),
    sample: Annotated[bool, typer.Option(help="Bring a week of sample traffic along.")] = True,
    as_json: Json = False,
) -> None:
    """Write a commented evalkit.toml that runs, with a week of sample traffic to try it on."""
    from evalkit.starter import write

    terminal.started(write(folder, sample=sample), as_json)


@app.command()
def run(
    config: Config = _CONFIG, day: Day = None, replace: Replace = False, as_json: Json = False
) -> None:
    """The whole night; late records reopen the nights before it. Exit 0 healthy, 1 findings, 2 degraded, 3 failed."""
    from evalkit import night

    with _settings_of(config, day) as (settings, when):
        done = night.run(settings, when, terminal.progress(as_json), replace=replace)
    terminal.night(done, as_json)
    raise typer.Exit(done.exit_code)


@app.command()
def backfill(
    start: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD.", metavar="DAY")],
    end: Annotated[str, typer.Option("--to", help="The last day, YYYY-MM-DD.", metavar="DAY")],
    config: Config = _CONFIG,
    again: Annotated[bool, typer.Option(help="Also the nights that nothing changed in.")] = False,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Past nights, only what is missing or changed. Exits as the last of them would."""
    from evalkit import night

    first, last = parse_day(start), parse_day(end)
    if last < first:
        raise ConfigError(f"--from {first} is after --to {last}. Swap them.")
    settings = load(config)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    done = night.backfill(
        settings, days, terminal.progress(as_json, {"score"}), again=again, replace=replace
    )
    terminal.nights(done, len(days), as_json)
    raise typer.Exit(done[-1].exit_code if done else 0)


def _step(name: str, about: str) -> None:
    """One verb for each step of the night; schedulers that show steps call them one by one."""

    def verb(config: Config = _CONFIG, day: Day = None, as_json: Json = False) -> None:
        from evalkit import night

        with _settings_of(config, day) as (settings, when):
            done = night.step(name, settings, when, terminal.progress(as_json))
        terminal.step(name, when, done, as_json)
        raise typer.Exit(done.exit_code)

    app.command(name, help=about)(verb)


_step(
    "ingest",
    "Step 1: read the sources of a day into interactions, rejects, prompts and the ledger.",
)
_step("score", "Step 2: score the interactions of a day.")
_step("rollup", "Step 3: the figures of a day, per metric and segment.")
_step("detect", "Step 4: what is different about a day. Exits as the night would.")
_step("report", "Step 5: the page of a day.")
_step("send", "Step 6: the mail of a day, and mails that are still owed.")


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="The query, over the tables as views.")],
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, formulas defused.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the tables: interactions, scores, daily, findings, labels, prompts, rejects, fields, ledger."""
    terminal.table(_lake(config, lake).tables.sql(query), as_json, as_csv)


@app.command()
def trend(
    metric: Annotated[str, typer.Argument(help="The metric.")],
    by: Annotated[str, typer.Option(help="A segment: route, model, prompt_version, ...")] = "all",
    days: Annotated[int, typer.Option(min=1, help="How many days back.")] = 30,
    until: Annotated[str | None, typer.Option(help="The last day.", metavar="DAY")] = None,
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_json: Json = False,
) -> None:
    """One metric day by day, with interval and coverage."""
    asked = _lake(config, lake)
    meaning = asked.metrics().get(metric)
    terminal.trend(
        metric, meaning.unit if meaning else "score", asked.trend(metric, by, days, until), as_json
    )


@app.command()
def show(
    interaction_id: Annotated[
        str, typer.Argument(help="The interaction, or the beginning of its id.", metavar="ID")
    ],
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say what it was made of: read its source again, and name the span or field of each "
            "part and the rule that picked it.",
        ),
    ] = False,
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_json: Json = False,
) -> None:
    """One interaction: what was asked, retrieved and answered, and which words have no support."""
    asked = _lake(config, lake)
    found = asked.show(interaction_id)
    if explain:
        from evalkit.ingest import explain as picks_of

        found["explanation"] = picks_of(load(config), found["interaction"])
    terminal.interaction(found, asked.metrics(), as_json)


@app.command()
def doctor(config: Config = _CONFIG, as_json: Json = False) -> None:
    """Check configuration, sources, model, lake and mailer, and name every host that may be contacted."""
    from evalkit.doctor import examine

    checks = examine(load(config))
    terminal.checks(checks, as_json)
    raise typer.Exit(0 if all(check.ok for check in checks) else 3)


@app.command()
def plan(
    rows: Annotated[str, typer.Option(help="Interactions a night: 100k, 10M, 1B.", metavar="N")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change an assumption; again for more.", metavar="NAME=VALUE"),
    ] = None,
    observed: Annotated[
        bool, typer.Option("--observed", help="Take the traffic from the newest day of the lake.")
    ] = False,
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_json: Json = False,
) -> None:
    """What a night of so many interactions needs: core-hours, machines, money, disk; all assumptions shown."""
    from evalkit import capacity

    seen = capacity.observed(_lake(config, lake).tables) if observed else {}
    chosen = capacity.assume({**seen, **_numbers(set_ or [])})
    terminal.plan(capacity.plan(capacity.parse_rows(rows), chosen), frozenset(seen), as_json)


def _numbers(given: list[str]) -> dict[str, float]:
    found = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise ConfigError(f"--set {one!r}: write NAME=NUMBER.") from error
    return found


@app.command()
def schema(
    table: Annotated[str | None, typer.Argument(help="Only this table.")] = None,
    as_json: Json = False,
) -> None:
    """The tables, column by column."""
    terminal.schema(table, as_json)


@app.command()
def agreement(
    file: Annotated[
        Path, typer.Argument(help="Parquet or JSONL with query, context(s), response and a label.")
    ],
    metric: Annotated[
        list[str],
        typer.Option(
            help="A metric to hold against the label; again for more; `!metric` where label 1 means "
            "that it should be low; `all` for every one, label 1 being the worse verdict."
        ),
    ] = ["hallucination"],  # noqa: B006  (typer reads it, nobody changes it)
    label: Annotated[
        str, typer.Option(help="The column with people's verdicts; `!column` turns them around.")
    ] = "hallucinated",
    group: Annotated[
        list[str] | None,
        typer.Option(help="Figures for each value of this column too; again for more."),
    ] = None,
    spans: Annotated[
        str | None,
        typer.Option(
            help="The column of spans without support, lists of {start, end} in characters of the "
            "response; without it `labels`, where it holds such."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="text, markdown, json or html; without it what the ending of --out says, or text.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it to this file instead.", metavar="PATH")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="For another encoder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How well metrics agree with people, beside trivial baselines; nothing is fitted on FILE."""
    from evalkit.agreement import evaluate_many, format_of

    chosen = format_of("json" if as_json and form is None else form, out)
    settings = load(config) if config is not None else Settings()
    found = evaluate_many(file, metric, label, group, settings, spans=spans)
    terminal.agreement(found, chosen, out)


labels = typer.Typer(
    help="People's verdicts: a sheet of the most useful rows out, what they say back in.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(labels, name="labels")


@labels.command("export")
def labels_export(
    metric: Annotated[str, typer.Option(help="What people are asked about.")] = "hallucination",
    n: Annotated[int, typer.Option("--n", min=1, help="How many rows.")] = 50,
    start: Annotated[
        str | None, typer.Option("--from", help="The first day of traffic.", metavar="DAY")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", help="The last day; without it the newest scored.", metavar="DAY"),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days back, where there is no --from.")] = 28,
    form: Annotated[
        str | None, typer.Option("--format", help="html or csv; without it as FILE's ending.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write it here; else labels-METRIC-DAY.html.", metavar="FILE"),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who will judge.", metavar="NAME")] = None,
    second: Annotated[
        bool,
        typer.Option("--second", help="Ask again about rows that one other person has judged."),
    ] = False,
    show_score: Annotated[
        bool, typer.Option("--show-score", help="Show the score; it sways people.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same rows.")] = 0,
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_json: Json = False,
) -> None:
    """Write a sheet of the rows most worth a person's minute; it works without a network."""
    if form not in {None, "html", "csv"}:
        raise ConfigError(f"--format {form!r}: write html or csv.")
    asked = _lake(config, lake)
    last = until or str(asked.tables.days(SCORES)[-1])
    file = out or Path(f"labels-{metric}-{last}.{form or 'html'}")
    sheet = asked.labels_export(
        file,
        metric,
        n,
        start=start,
        until=last,
        days=days,
        form=form,
        by=by,
        second=second,
        show_score=show_score,
        seed=seed,
    )
    terminal.labels_exported(sheet, file, as_json)


@labels.command("import")
def labels_import(
    files: Annotated[
        list[Path], typer.Argument(help="What the sheets have saved, or filled CSV sheets.")
    ],
    by: Annotated[
        str | None, typer.Option(help="Who judged, where a file does not say.", metavar="NAME")
    ] = None,
    config: Config = _CONFIG,
    lake: LakePath = None,
    as_json: Json = False,
) -> None:
    """Check filled sheets and store their verdicts; says how well two people agree."""
    settings = load(config) if config.exists() else None
    terminal.labels_imported(_lake(config, lake).labels_import(files, by, settings), as_json)


@labels.command("refit")
def labels_refit(
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Whose model; again for several, all that learn without it."),
    ] = None,
    config: Config = _CONFIG,
    as_json: Json = False,
) -> None:
    """Fit models to the labels; each is kept, for the nights to come, only if it is better."""
    from evalkit import night, scoring

    terminal.labels_refitted(night.refit(load(config), metric or list(scoring.LEARNING)), as_json)


def _lake(config: Path, lake: Path | None):  # type: ignore[no-untyped-def]  # api is imported only when asked
    from evalkit import api

    if lake is not None:
        return api.open(lake)
    if not config.exists() and config == _CONFIG and Path("lake").is_dir():
        return api.open("lake")
    return api.open(load(config).lake_url)
