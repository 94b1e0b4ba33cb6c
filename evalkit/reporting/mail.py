"""The mail of a night as a message: text, HTML and charts as PNG. Sending is in `smtp`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING, Any

from evalkit.config import Settings, day_bounds
from evalkit.errors import DeliveryError, EvalkitError
from evalkit.reporting import charts, sections
from evalkit.reporting.display import clean, clip
from evalkit.reporting.pack import Pack
from evalkit.reporting.page import Edition, parameters, templates
from evalkit.reporting.verdict import headline_of
from evalkit.reporting.words import plural

if TYPE_CHECKING:
    from evalkit.lake import Lake

__all__ = ["compose", "subject"]

#: Gmail cuts a message's HTML at 102 KiB.
MAX_BODY_BYTES = 100_000
_MOST_FINDINGS = (8, 4, 1, 0)
_MOST_CHARTS = 3
_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class _Chart:
    """One chart of the mail: its content id, its PNG, and what it shows in words."""

    cid: str
    png: bytes
    alt: str


def compose(settings: Settings, lake: Lake, pack: Pack, edition: Edition) -> EmailMessage:
    """The mail of one night: `multipart/alternative` of text and HTML with its charts.

    The same night gives the same bytes: ids, boundaries and the date follow from the day.

    Raises:
        DeliveryError: an address in the configuration cannot stand in a message.
        ConfigError: the report pack lacks a file of the mail.
    """
    courses, examples = _stories(settings, lake, pack, edition)
    drawn = _charts(edition, courses, _key(settings, edition))
    context = {
        **templates(settings, edition),
        "charts": drawn,
        "examples": examples,
        "link": _link(settings, edition.day),
        "page_path": f"{settings.report.dir.rstrip('/')}/{edition.day}.html",
    }
    message = EmailMessage(policy=SMTP)
    _head(message, settings, edition)
    message.set_content(pack.plain.get_template("mail.txt").render(context))
    message.add_alternative(_html(pack, context), subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    for chart in drawn.values():
        html.add_related(  # type: ignore[union-attr]
            chart.png,
            maintype="image",
            subtype="png",
            cid=f"<{chart.cid}>",
            filename=f"{chart.cid.split('@', 1)[0]}.png",
            disposition="inline",
        )
    page = settings.path(settings.report.dir) / f"{edition.day}.html"
    if settings.mail.attach and page.is_file():
        message.add_attachment(
            page.read_text("utf-8"), subtype="html", filename=f"evalkit-{edition.day}.html"
        )
    _fix_boundaries(message, _key(settings, edition))
    return message


def subject(edition: Edition) -> str:
    """The subject: one line, whatever the values in it are.

    `evalkit 2026-11-22: 2 new findings - hallucination on /ask is up`
    """
    worth = [finding for finding in edition.findings if finding["severity"] != "info"]
    new = sum(1 for finding in worth if finding["status"] == "new")
    status = edition.night.status
    if status in {"failed", "degraded"}:
        reason = edition.verdict.rest.rstrip(".")
        text = f"{'the night failed' if status == 'failed' else 'incomplete'} - {reason}"
    elif worth:
        what = plural(new, "new finding") if new else plural(len(worth), "ongoing finding")
        first = next((f for f in worth if f["status"] == "new"), worth[0])
        # The figures stand in the mail; in the subject they would push the place out of sight.
        top = re.sub(
            r" (up|down) from \S+(\s\S+)? to .*$", r" \1", headline_of(first, edition.metrics)
        )
        text = f"{what} - {top[:1].lower()}{top[1:]}"
    else:
        text = "too early to tell" if edition.verdict.tone == "plain" else "a good night"
    return clip(" ".join(clean(f"evalkit {edition.day}: {text}", 600).split()), 160)


def _head(message: EmailMessage, settings: Settings, edition: Edition) -> None:
    mail = settings.mail
    for key, value in (("sender", mail.sender), *(("to", address) for address in mail.to)):
        if any(ord(character) < 32 for character in value) or "@" not in parseaddr(value)[1]:
            raise DeliveryError(
                f"{settings.file}: [mail] {key}: {clean(value, 80)!r} is no address. Write "
                f"name@host."
            )
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Subject"] = subject(edition)
    # The night's end, not the clock: sent late, it still stands with its night.
    message["Date"] = format_datetime(
        day_bounds(edition.day, settings.zone)[1].astimezone(settings.zone)
    )
    host = (
        re.sub(r"[^A-Za-z0-9.-]", "", parseaddr(mail.sender)[1].rpartition("@")[2]) or "localhost"
    )
    message["Message-ID"] = f"<evalkit.{edition.day}.{_key(settings, edition)}@{host}>"
    message["Auto-Submitted"] = "auto-generated"


def _key(settings: Settings, edition: Edition) -> str:
    """What tells this mail from those of other nights and other installations."""
    text = "\n".join(
        [settings.lake_url, settings.report.title, edition.day.isoformat(), *settings.mail.to]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stories(
    settings: Settings, lake: Lake, pack: Pack, edition: Edition
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """By finding: its daily figures and one example, as the page's findings section asks."""
    section = next((part for part in sections.load(pack.folder) if part.name == "findings"), None)
    sql: Mapping[str, str] = {} if section is None else section.sql
    params = parameters(settings, edition.day, edition.metrics)
    courses: dict[str, list[dict[str, Any]]] = {}
    examples: dict[str, dict[str, Any]] = {}
    try:
        for row in sections.answer(lake.sql, sql["courses"], params) if "courses" in sql else ():
            courses.setdefault(row["finding_id"], []).append(row)
        if settings.mail.examples and "examples" in sql:
            for row in sections.answer(lake.sql, sql["examples"], params | {"examples": 1}):
                examples.setdefault(row["finding_id"], row)
    except (EvalkitError, KeyError):
        return (
            {},
            {},
        )  # a team's own section: the mail goes without charts, the page says what is wrong
    shown = [
        finding["finding_id"] for finding in edition.findings if finding["finding_id"] in examples
    ]
    return courses, {name: examples[name] for name in shown[:_MOST_EXAMPLES]}


def _charts(
    edition: Edition, courses: Mapping[str, Sequence[Mapping[str, Any]]], key: str
) -> dict[str, _Chart]:
    """A chart for each of the first findings that have a metric, by finding."""
    drawn: dict[str, _Chart] = {}
    for finding in edition.findings[: max(_MOST_FINDINGS)]:
        rows, name = courses.get(finding["finding_id"]), finding["metric"]
        if not rows or name is None or finding["severity"] == "info" or len(drawn) == _MOST_CHARTS:
            continue
        said = headline_of(finding, edition.metrics)
        metric = edition.metrics.get(name)
        spec = charts.Trend(
            said,
            metric.unit if metric else "score",
            edition.trend_start,
            edition.day,
            [charts.Point(row["day"], row["mean"], row["lower"], row["upper"]) for row in rows],
            finding["before"],
            [charts.Mark(finding["since"], said)] if finding["since"] is not None else [],
        )
        svg = charts.trend(spec, width=520, height=130)
        cid = f"chart{len(drawn) + 1}.{key}@evalkit"
        drawn[finding["finding_id"]] = _Chart(cid, charts.png(svg), _alt(spec))
    return drawn


def _alt(spec: charts.Trend) -> str:
    # The inliner writes attributes anew and leaves angle brackets in them as they are: legal, but
    # some mail clients are no HTML parsers.
    return f"Chart: {charts.spoken(spec)}".translate({ord("<"): "‹", ord(">"): "›"})


def _html(pack: Pack, context: Mapping[str, Any]) -> str:
    """The HTML body with its styles inlined, at most `MAX_BODY_BYTES`."""
    import css_inline

    inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
    template = pack.engine.get_template("mail.html")
    css = pack.style("mail.css")
    html = ""
    for most in _MOST_FINDINGS:
        examples = context["examples"] if most >= _MOST_EXAMPLES else {}
        html = inliner.inline(
            template.render({**context, "css": css, "most": most, "examples": examples})
        )
        if len(html.encode()) <= MAX_BODY_BYTES:
            break
    return html


def _link(settings: Settings, day: date) -> str | None:
    link = settings.report.link
    if link is None or not link.lower().startswith(("http://", "https://")):
        return None
    return f"{link.rstrip('/')}/{day}.html"


def _fix_boundaries(message: EmailMessage, key: str) -> None:
    """Boundaries that follow from the mail, not from chance."""
    for index, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_evalkit_{index}_{key}")
        elif part.get_content_maintype() == "image":
            del part["MIME-Version"]
