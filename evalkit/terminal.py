"""What the verbs print: plain lines in a log, a little colour on a terminal, JSON when asked. Nothing is decided here."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from evalkit.errors import EvalkitError
from evalkit.metrics import Metric, format_value
from evalkit.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.agreement import Agreement
    from evalkit.capacity import Plan
    from evalkit.doctor import Check
    from evalkit.ingest import Pick
    from evalkit.labelling import Imported, Sheet
    from evalkit.night import Night
    from evalkit.scoring import Adaptation
    from evalkit.starter import Started

__all__ = [
    "agreement",
    "checks",
    "error",
    "interaction",
    "labels_exported",
    "labels_imported",
    "labels_refitted",
    "night",
    "nights",
    "plan",
    "progress",
    "schema",
    "started",
    "step",
    "table",
    "trend",
]

STEPS = ("ingest", "score", "rollup", "detect", "report", "send")
_STYLES = {
    "healthy": "green",
    "findings": "yellow",
    "degraded": "magenta",
    "failed": "red",
    "critical": "red",
    "warning": "yellow",
    "info": "blue",
}
#: Characters that move a terminal's cursor, colour or direction: logged text may hold them, a terminal may not get them.
_CONTROL_RANGES = ((0, 9), (11, 13), (14, 32), (127, 160), (0x202A, 0x202F), (0x2066, 0x206A))
_CONTROL = {
    code: "\N{REPLACEMENT CHARACTER}"
    for start, stop in _CONTROL_RANGES
    for code in range(start, stop)
}


def safe(text: str) -> str:
    """Logged text as a terminal may show it: no control or direction-changing characters."""
    return text.translate(_CONTROL)


def _out() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def _json(value: object) -> None:
    print(json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False))


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return str(value)


def _finite(value: Any) -> Any:
    """NaN, which pandas uses for a missing value, is null in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def error(message: str) -> None:
    """An error, on the error stream."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(f"error: {safe(message)}", style="red")
    )


def progress(as_json: bool, steps: Container[str] = STEPS) -> Callable[[date, str, str], None]:
    """One line for each of these steps on the error stream, so that what a verb prints can be piped."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(day: date, step: str, what: str) -> None:
        if not as_json and step in steps:
            console.print(f"[dim]{day}[/dim]  {step:<7} {escape(safe(what))}")

    return say


def night(done: Night, as_json: bool) -> None:
    """The outcome of a night in about ten lines."""
    if as_json:
        _json(night_dict(done))
        return
    console, summary = _out(), done.summary
    style = _STYLES[summary.status]
    console.print(
        f"\n[bold {style}]{summary.day}  {summary.status}[/]  (exit {done.exit_code}, {done.seconds:.1f} s)"
    )
    counts = summary.counts
    if counts:
        console.print(
            f"  {counts['received']} records: {counts['accepted']} taken, {counts['duplicate']} repeated, "
            f"{counts['rejected']} unreadable; {counts['scored']} scored"
        )
    if summary.budget is not None:
        console.print(f"  {summary.budget}")
    if summary.status in {"degraded", "failed"}:
        for reason in summary.reasons:
            console.print(f"  [{style}]{escape(safe(reason))}[/]")
    for finding in summary.findings[:5]:
        _finding(console, finding)
    if len(summary.findings) > 5:
        console.print(f"  … and {len(summary.findings) - 5} more, on the page")
    if done.report is not None:
        console.print(f"  page: {done.report}")
    if done.mail not in {"", "none"}:
        console.print(f"  mail: {done.mail}")


def _finding(console: Console, finding: Mapping[str, Any]) -> None:
    style = _STYLES.get(str(finding["severity"]), "default")
    since = (
        f", since {finding['since']}"
        if finding.get("since") and finding["status"] == "ongoing"
        else ""
    )
    title = safe(str(finding["title"]))
    console.print(
        f"  [{style}]{finding['severity']:<8}[/] {escape(title)} [dim]({finding['status']}{since})[/]"
    )


def night_dict(done: Night) -> dict[str, Any]:
    """The contract of `evalkit run --json`."""
    summary = done.summary
    keys: tuple[str, ...] = (
        "finding_id",
        "kind",
        "severity",
        "metric",
        "segment",
        "value_of_segment",
        "title",
        "before",
        "after",
    )
    keys += ("effect", "effect_kind", "lower", "upper", "since", "cause", "examples", "status")
    return {
        "day": summary.day.isoformat(),
        "status": summary.status,
        "exit_code": done.exit_code,
        "reasons": summary.reasons,
        "counts": summary.counts,
        "coverage": summary.coverage,
        "budget": summary.budget,
        "findings": [{key: finding.get(key) for key in keys} for finding in summary.findings],
        "report": None if done.report is None else str(done.report),
        "mail": done.mail,
        "seconds": round(done.seconds, 3),
    }


def nights(done: Sequence[Night], asked: int, as_json: bool) -> None:
    """The outcome of some nights: a line each, then the last one in full."""
    if as_json:
        _json([night_dict(item) for item in done])
        return
    console = _out()
    if not done:
        console.print(f"{asked} nights, nothing is missing and nothing has changed.")
        return
    console.print()
    for item in done:
        summary = item.summary
        new = [str(finding["title"]) for finding in summary.findings if finding["status"] == "new"]
        news = "; ".join(new) or (" ".join(summary.reasons) if summary.status == "failed" else "")
        if news:
            style = _STYLES[summary.status]
            console.print(f"{summary.day}  [{style}]{summary.status:<8}[/]  {escape(safe(news))}")
    states = Counter(item.summary.status for item in done)
    told = ", ".join(f"{states[name]} {name}" for name in _STYLES if states[name])
    console.print(f"{len(done)} nights: {told}. The nights with news stand above.")
    night(done[-1], as_json=False)


def step(name: str, day: date, done: Night, as_json: bool) -> None:
    """The outcome of one step: its progress line was printed already."""
    if as_json:
        _json({"step": name} | night_dict(done))


def started(done: Started, as_json: bool) -> None:
    """What `init` wrote and what to do next."""
    if as_json:
        _json({"config": str(done.config), "days": [day.isoformat() for day in done.days]})
        return
    console = _out()
    console.print(f"wrote {done.config}")
    if done.days:
        console.print(f"wrote {len(done.days)} nights of sample traffic beside it; try it:")
        console.print(
            f"  evalkit backfill -c {done.config} --from {done.days[0]} --to {done.days[-1]}",
            soft_wrap=True,
        )


def table(answer: pa.Table, as_json: bool, as_csv: bool) -> None:
    """A query's answer."""
    rows = answer.to_pylist()
    if as_json:
        _json(_finite(rows))
        return
    if as_csv:
        from evalkit.text.csv import write_csv

        cells = [{name: _number_or_text(value) for name, value in row.items()} for row in rows]
        sys.stdout.write(write_csv(answer.column_names, cells))
        return
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for field in answer.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        grid.add_column(
            Text(safe(field.name)), justify="right" if number else "left", overflow="fold"
        )
    for row in rows:
        grid.add_row(*(Text(safe(_cell(value))) for value in row.values()))
    _wide().print(grid)


def _wide() -> Console:
    """As wide as the terminal; in a pipe as wide as it takes, so that no figure is cut."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def _number_or_text(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def trend(metric: str, unit: str, frame: pd.DataFrame, as_json: bool) -> None:
    """A trend as a table with bars."""
    rows = frame.to_dict("records")
    if as_json:
        _json(_finite([{str(k): v for k, v in row.items()} for row in rows]))
        return
    grid = Table(box=None, header_style="bold", pad_edge=False, title=metric, title_justify="left")
    for name, side in (
        ("day", "left"),
        ("", "left"),
        ("n", "right"),
        ("coverage", "right"),
        ("mean", "right"),
    ):
        grid.add_column(name, justify="right" if side == "right" else "left")
    grid.add_column("95 % interval")
    grid.add_column("")
    top = max(
        (row["upper"] if _is(row["upper"]) else row["mean"] for row in rows if _is(row["mean"])),
        default=0.0,
    )
    for row in rows:
        mean = row["mean"] if _is(row["mean"]) else None
        known = mean is not None and _is(row["lower"])
        interval = (
            f"{format_value(row['lower'], unit)} to {format_value(row['upper'], unit)}"
            if known
            else ""
        )
        bar = "█" * round(24 * mean / top) if mean is not None and top > 0 else ""
        grid.add_row(
            str(row["day"])[:10],
            Text(safe(str(row["value"]))),
            str(row["n"]),
            f"{row['coverage']:.0%}" if _is(row["coverage"]) else "–",
            format_value(mean, unit),
            interval,
            bar,
        )
    _wide().print(grid)


def _is(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def interaction(found: Mapping[str, Any], metrics: Mapping[str, Metric], as_json: bool) -> None:
    """One interaction; words of the answer without support are marked. With an `explanation`, what it
    was made of comes last."""
    picks: Sequence[Pick] = found.get("explanation", ())
    if as_json:
        explained = {"explanation": [asdict(pick) for pick in picks]} if picks else {}
        _json(_finite({**found, **explained}))
        return
    console, row, scores = _wide(), found["interaction"], found["scores"]
    where = " · ".join(
        str(row[name])
        for name in ("app", "route", "model", "provider", "prompt_name", "prompt_version")
        if row[name]
    )
    console.print(
        Text(safe(f"{row['interaction_id']}  {row['started_at']}  {where}"), style="bold")
    )
    _block(console, "asked", row["query"])
    for chunk in row["contexts"] or []:
        score = "" if chunk["score"] is None else f" score {chunk['score']:.3g}"
        _block(console, f"retrieved {chunk['rank']}: {chunk['id']}{score}", chunk["text"])
    evidence = scores.get("evidence") or []
    console.print(Text("\nanswered", style="dim"))
    answer = row["response"]
    if answer is None:
        console.print(
            Text(f"nothing ({safe(str(row['error_type'] or row['finish_reason'] or 'no text'))})")
        )
    else:
        text = Text(safe(answer))
        for span in evidence:
            if span["note"] == "unsupported":
                text.stylize("bold red underline", span["start"], span["end"])
        console.print(text)
        marked = [(s["start"], s["end"]) for s in evidence if s["note"] == "unsupported"]
        whole = [
            (start, end)
            for start, end in marked
            if not any(o != (start, end) and o[0] <= start and end <= o[1] for o in marked)
        ]
        words = [answer[start:end] for start, end in sorted(set(whole))]
        if words:
            console.print(Text(safe("without support: " + " | ".join(words)), style="red"))
        for span in evidence:
            if span["metric"] == "retrieval_fault":
                console.print(Text(safe(f"why it went wrong: {span['note']}"), style="red"))
    grid = Table(box=None, pad_edge=False, show_header=False)
    for name, meaning in metrics.items():
        if f"{name}__status" in scores:
            status = scores[f"{name}__status"]
            value = format_value(scores[name], meaning.unit) if status == "ok" else f"– ({status})"
            grid.add_row(name, value, Text(meaning.about, style="dim"))
    console.print()
    console.print(grid)
    for label in found["labels"]:
        console.print(Text(safe(f"{label['by']} says {label['metric']} = {_verdict(label)}")))
    if picks:
        console.print(Text("\nmade of", style="dim"))
        grid = Table(box=None, pad_edge=False, show_header=False)
        for pick in picks:
            where = "\n".join(safe(one) for one in pick.where) or "–"
            grid.add_row(pick.what, Text(where), Text(safe(pick.why), style="dim"))
        console.print(grid)


def _verdict(label: Mapping[str, Any]) -> str:
    value = "unsure" if label["value"] is None else f"{label['value']:g}"
    return f"{value} ({label['comment']})" if label.get("comment") else value


def _block(console: Console, head: str, text: str | None) -> None:
    console.print(Text(f"\n{safe(head)}", style="dim"))
    console.print(Text(safe(text or "–")))


def checks(found: Iterable[Check], as_json: bool) -> None:
    """What `doctor` found."""
    found = list(found)
    if as_json:
        _json([{"what": c.what, "ok": c.ok, "message": c.message} for c in found])
        return
    console = _out()
    for check in found:
        mark = "[green]ok  [/]" if check.ok else "[red]FAIL[/]"
        console.print(f"{mark} {check.what:<16} {escape(safe(check.message))}")


def schema(name: str | None, as_json: bool) -> None:
    """The tables.

    Raises:
        EvalkitError: no table has that name.
    """
    chosen = [item for item in TABLES if name is None or item.name == name]
    if not chosen:
        raise EvalkitError(
            f"{name!r} is no table. Tables: {', '.join(item.name for item in TABLES)}."
        )
    if as_json:
        _json(
            {
                item.name: {
                    "row": item.row,
                    "columns": [
                        {"name": c.name, "type": str(c.type), "comment": c.comment}
                        for c in item.columns
                    ],
                }
                for item in chosen
            }
        )
        return
    console = _wide()
    for item in chosen:
        console.print(f"\n[bold]{item.name}[/]: {item.row}")
        grid = Table(box=None, pad_edge=False, show_header=False)
        for column in item.columns:
            grid.add_row(
                f"  {column.name}",
                Text(str(column.type), style="dim", overflow="fold"),
                column.comment,
            )
        console.print(grid)


def labels_exported(sheet: Sheet, file: Path, as_json: bool) -> None:
    """What a sheet holds, and what to do with it."""
    design = sheet.design
    if as_json:
        _json(design.to_json() | {"file": str(file), "question": sheet.question})
        return
    console = _out()
    console.print(
        f"wrote {escape(safe(str(file)))}: {design.asked} of {design.population:,} answers "
        f"from {design.start} to {design.end}"
    )
    console.print(f"  asks: {escape(safe(sheet.question))}")
    console.print("  give it to someone, then: evalkit labels import FILE")


def plan(found: Plan, seen: Container[str], as_json: bool) -> None:
    """What a night needs, and what that rests on.

    Args:
        found: the plan.
        seen: the assumptions that were read from a lake.
    """
    if as_json:
        _json(asdict(found))
        return
    console, have = _wide(), found.assumptions
    console.print(f"A night of {found.rows:,} interactions", style="bold")
    grid = Table(box=None, pad_edge=False)
    grid.add_column("work")
    grid.add_column("amount", justify="right")
    grid.add_column()
    grid.add_column("core hours", justify="right")
    for need in found.work:
        grid.add_row(need.what, f"{need.amount:,.0f}", need.unit, _hours(need.core_hours))
    grid.add_row("all", "", "", _hours(found.core_hours))
    console.print(grid)
    machines = "1 machine" if found.machines == 1 else f"{found.machines:,} machines"
    console.print(
        f"\n{machines} of {have.cores:g} cores: done in {_hours(found.hours)} hours "
        f"(allowed: {have.hours:g}), ${found.usd:,.2f} a night. The lake grows by "
        f"{_bytes(found.lake_bytes)}, the cache of vectors by {_bytes(found.cache_bytes)} at most."
    )
    console.print("\nassumed (change with --set NAME=VALUE)", style="dim")
    grid = Table(box=None, pad_edge=False, show_header=False)
    for one in fields(have):
        source = "seen in the lake" if one.name in seen else ""
        grid.add_row(
            one.name,
            f"{getattr(have, one.name):,.6g}",
            Text(one.metadata["about"], style="dim"),
            source,
        )
    console.print(grid)


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(value: float) -> str:
    units = ["bytes", "kB", "MB", "GB", "TB"]
    power = min(int(math.log10(max(value, 1)) / 3), len(units) - 1)
    value /= 1000**power
    return f"{value:,.0f} {units[power]}" if value >= 10 else f"{value:.1f} {units[power]}"


def labels_refitted(found: Sequence[Adaptation], as_json: bool) -> None:
    """What refits to labels came to."""
    if as_json:
        figures = [
            {
                "model": one.model.name,
                "kept": one.is_better,
                "labels": one.n,
                "why": one.why,
                "auroc_before": one.auroc_before,
                "auroc_after": one.auroc_after,
                "loss_before": one.loss_before,
                "loss_after": one.loss_after,
            }
            for one in found
        ]
        _json([_finite(each) for each in figures])
        return
    console = _out()
    for one in found:
        told = "Kept" if one.is_better else "Not kept, scores stay as they are"
        console.print(f"{one.model.name}: {told}: {one.why}.")
        if one.auroc_before is not None and one.auroc_after is not None:
            console.print(
                f"  AUROC on {one.n} labels: {one.auroc_before:.3f} before, "
                f"{one.auroc_after:.3f} after (cross-validated)"
            )


def labels_imported(found: Imported, as_json: bool) -> None:
    """What was stored of some filled sheets, and how well two people agree."""
    pairs = [
        {"metric": pair.metric, "first": pair.first, "second": pair.second, **vars(pair.found)}
        for pair in found.agreement
    ]
    if as_json:
        counts = {
            name: getattr(found, name) for name in ("new", "replaced", "unchanged", "blank", "days")
        }
        _json(_finite(counts | {"verdicts": found.verdicts, "agreement": pairs}))
        return
    console = _out()
    console.print(
        f"{found.new} new, {found.replaced} replaced, {found.unchanged} as they were; "
        f"{found.blank} rows still blank"
    )
    for name, counted in found.verdicts.items():
        told = ", ".join(f"{count} {word}" for word, count in counted.items())
        console.print(Text(safe(f"  {name}: {told}")))
    for pair in found.agreement:
        kappa = pair.found
        if kappa.kappa is None or kappa.lower is None or kappa.upper is None:
            said = "kappa has no value, both gave one answer throughout"
        else:
            said = f"kappa {kappa.kappa:.2f} (95 % interval {kappa.lower:.2f} to {kappa.upper:.2f})"
        console.print(
            Text(
                safe(
                    f"  {pair.first} and {pair.second} on {pair.metric}: {said}, "
                    f"the same on {kappa.agreement:.0%} of {kappa.n} rows"
                )
            )
        )


def agreement(found: Sequence[Agreement], form: str, out: Path | None) -> None:
    """How well metrics agree with people, in one of the formats, printed or written to a file.

    Raises:
        EvalkitError: the file cannot be written.
    """
    from evalkit.agreement import render

    made = render(found, form)
    if out is None:
        print(safe(made), end="")
        return
    try:
        out.write_text(made, encoding="utf-8")
    except OSError as error:
        raise EvalkitError(f"{out}: cannot be written ({error}).") from error
    _out().print(f"wrote {escape(safe(str(out)))}")
