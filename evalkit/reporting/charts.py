"""Charts: a small declarative spec, drawn as SVG; the mail's PNG is made from the same SVG.

Drawn here and not by a plotting library because of what was measured for the forty charts of one
page on one core: Altair with vl-convert 3.8 s after a start of 1.4 s and 173 MB of memory, with
colours fixed in the file and clip ids that repeat; this some hundredths of a second, in colours
that follow the page's (CSS classes), without any id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from markupsafe import Markup, escape

from evalkit.reporting.words import long_date, short, short_date

__all__ = ["Hour", "Mark", "Point", "Trend", "hours", "png", "sparkline", "spoken", "trend"]

#: What the classes mean where there is no page around the chart (the mail's PNG).
_LIGHT = (
    ".c-bg{fill:#ffffff}.c-grid{stroke:#e3dfd6}.c-axis{fill:#66625a;font:10.5px 'Liberation Sans',"
    "'DejaVu Sans',Arial,sans-serif}.c-band{fill:#2b5c8a;fill-opacity:.16}.c-line{stroke:#2b5c8a}"
    ".c-dot{fill:#2b5c8a}.c-usual{stroke:#66625a}.c-since{fill:#a8321f;fill-opacity:.08}"
    ".c-mark{stroke:#a8321f;fill:#a8321f}.c-bad{stroke:#a8321f}.c-bad-dot{fill:#a8321f}"
)


@dataclass(frozen=True)
class Point:
    """One day of a metric; a day without a value is a gap in the line."""

    day: date
    value: float | None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Mark:
    """The first day of a finding."""

    day: date
    text: str


@dataclass(frozen=True)
class Trend:
    """One metric over time: what is drawn, not how.

    Args:
        title: what the chart shows, for those who cannot see it.
        unit: the metric's unit, for the axis.
        start, end: the first and last day of the axis, also where there is no data.
        points: the days that have a row, ascending.
        usual: the usual level, drawn as a dashed line.
        marks: findings of this metric.
    """

    title: str
    unit: str
    start: date
    end: date
    points: Sequence[Point]
    usual: float | None = None
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Hour:
    """Records of one hour, beside what is usual at this hour."""

    label: str
    received: int
    usual: float | None


def trend(spec: Trend, width: int = 320, height: int = 118) -> Markup:
    """The trend as SVG: interval band, line with gaps, usual level, marks where findings begin."""
    right, top, bottom = 9.0, 9.0, 18.0
    days = max((spec.end - spec.start).days, 1)
    inside = [point for point in spec.points if spec.start <= point.day <= spec.end]
    low, high, ticks = _axis(spec, inside)
    labels = [_tick(tick, ticks, spec.unit) for tick in ticks]
    left = max(30.0, 9.0 + 6.1 * max((len(text) for text in labels), default=0))

    def x(day: date) -> float:
        return left + (width - left - right) * (day - spec.start).days / days

    def y(value: float) -> float:
        return top + (height - top - bottom) * (high - min(max(value, low), high)) / (high - low)

    out = [_open(width, height, spoken(spec))]
    for tick, text in zip(ticks, labels, strict=True):
        out.append(_line("c-grid", left, y(tick), width - right, y(tick)))
        out.append(_text(left - 5, y(tick) + 3.6, text, "end"))
    shown = sorted({max(mark.day, spec.start) for mark in spec.marks if mark.day <= spec.end})
    if shown:
        begin = x(shown[0])
        out.append(
            f'<rect class="c-since" x="{begin:.1f}" y="{top:.1f}" '
            f'width="{width - right - begin:.1f}" '
            f'height="{height - top - bottom:.1f}"/>'
        )
    if spec.usual is not None and _drawable(spec.usual):
        out.append(
            _line(
                "c-usual",
                left,
                y(spec.usual),
                width - right,
                y(spec.usual),
                ' stroke-dasharray="2 3"',
            )
        )
    for run in _runs(inside):
        out.extend(_drawn(run, x, y))
    for day in shown:
        out.append(_line("c-mark", x(day), top - 3, x(day), height - bottom))
        out.append(f'<path class="c-mark" d="M{x(day) - 3.5:.1f} {top - 7:.1f}h7l-3.5 5z"/>')
    last = inside[-1].value if inside and inside[-1].day == spec.end else None
    if last is not None and _drawable(last):
        dot = "c-bad-dot" if shown else "c-dot"
        out.append(f'<circle class="{dot}" cx="{x(spec.end):.1f}" cy="{y(last):.1f}" r="3.2"/>')
    out.append(_text(left, height - 4, short_date(spec.start), "start"))
    out.append(_text(width - right, height - 4, short_date(spec.end), "end"))
    if len(shown) and x(shown[0]) - left > 62 and x(shown[0]) < width - right - 62:
        out.append(_text(x(shown[0]), height - 4, short_date(shown[0]), "middle"))
    out.append("</svg>")
    return Markup("".join(out))


def sparkline(
    values: Sequence[float | None], bad: bool = False, width: int = 96, height: int = 26
) -> Markup:
    """A word-sized line (a gap where a value is missing) that ends in a dot; decorative only."""
    known = [value for value in values if value is not None and _drawable(value)]
    out = [
        f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="xMinYMid" '
        f'aria-hidden="true" focusable="false">'
    ]
    if known:
        low, high = min(known), max(known)
        span = (high - low) or 1.0
        flat = high == low
        step = (width - 8) / max(len(values) - 1, 1)

        def at(index: int, value: float) -> str:
            up = 0.5 if flat else (value - low) / span
            return f"{3 + index * step:.1f} {height - 4 - up * (height - 8):.1f}"

        path, pen = [], "M"
        for index, value in enumerate(values):
            if value is None or not _drawable(value):
                pen = "M"
                continue
            path.append(pen + at(index, value))
            pen = "L"
        out.append(
            f'<path class="{"c-bad" if bad else "c-line"}" fill="none" stroke-width="1.4" '
            f'd="{"".join(path)}"/>'
        )
        last = values[-1]
        if last is not None and _drawable(last):
            px, py = at(len(values) - 1, last).split(" ")
            out.append(
                f'<circle class="{"c-bad-dot" if bad else "c-dot"}" cx="{px}" cy="{py}" r="2.6"/>'
            )
    out.append("</svg>")
    return Markup("".join(out))


def hours(bars: Sequence[Hour], title: str, width: int = 440, height: int = 76) -> Markup:
    """Records by hour as bars, a tick at the usual number; an hour without its records in red."""
    bottom, top = 16.0, 8.0
    most = max([1.0, *(bar.received for bar in bars), *(bar.usual or 0.0 for bar in bars)])
    step = width / max(len(bars), 1)
    missing = [bar.label for bar in bars if _silent(bar)]
    spoken = f"{title}: {sum(bar.received for bar in bars):,} records in {len(bars)} hours"
    if missing:
        spoken += f"; none at {', '.join(missing[:30])}"
    out = [_open(width, height, spoken)]
    room = height - bottom - top
    for index, bar in enumerate(bars):
        left = index * step + step * 0.14
        wide = step * 0.72
        tall = room * bar.received / most
        if _silent(bar):
            out.append(
                f'<rect class="c-since" x="{index * step:.1f}" y="{top:.1f}" width="{step:.1f}" '
                f'height="{room:.1f}"/>'
            )
            out.append(
                _line(
                    "c-bad",
                    left,
                    height - bottom,
                    left + wide,
                    height - bottom,
                    ' stroke-width="2.5"',
                )
            )
        elif tall > 0:
            out.append(
                f'<rect class="c-bar" x="{left:.1f}" y="{height - bottom - tall:.1f}" '
                f'width="{wide:.1f}" '
                f'height="{max(tall, 0.8):.1f}"/>'
            )
        if bar.usual:
            level = height - bottom - room * bar.usual / most
            out.append(_line("c-tick", left - 1, level, left + wide + 1, level))
    quarters = sorted({len(bars) * part // 4 for part in range(4)}) if bars else []
    out.extend(
        _text(index * step + step * 0.14, height - 3, bars[index].label, "start")
        for index in quarters
    )
    out.append("</svg>")
    return Markup("".join(out))


def png(svg: str, scale: float = 2.0) -> bytes:
    """The same chart as PNG on white, for mail clients; the same bytes for the same SVG."""
    import vl_convert

    head, rest = svg.split(">", 1)
    drawn: bytes = vl_convert.svg_to_png(
        f'{head}><style>{_LIGHT}</style><rect class="c-bg" width="100%" height="100%"/>{rest}',
        scale=scale,
    )
    return drawn


def _silent(bar: Hour) -> bool:
    """Whether an hour is empty not by chance: 6 expected records stay away once in 400."""
    return bar.received == 0 and bar.usual is not None and bar.usual >= 6


def _drawable(value: float) -> bool:
    """Whether a value has a place on an axis; from 1e15 on it is an error, not a level."""
    return math.isfinite(value) and abs(value) < 1e15


def _open(width: int, height: int, spoken: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(spoken)}">'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float, extra: str = "") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{extra}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="c-axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches of consecutive days that have a value."""
    runs: list[list[Point]] = []
    for point in points:
        if point.value is None or not _drawable(point.value):
            continue
        if runs and runs[-1][-1].day + timedelta(days=1) == point.day:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _banded(point: Point) -> bool:
    ends = (point.lower, point.upper)
    return all(end is not None and _drawable(end) for end in ends)


def _drawn(
    run: Sequence[Point], x: Callable[[date], float], y: Callable[[float], float]
) -> list[str]:
    out = []
    banded = [p for p in run if _banded(p)]
    if len(banded) > 1:
        over = "L".join(f"{x(p.day):.1f} {y(p.upper or 0.0):.1f}" for p in banded)
        under = "L".join(f"{x(p.day):.1f} {y(p.lower or 0.0):.1f}" for p in reversed(banded))
        out.append(f'<path class="c-band" d="M{over}L{under}z"/>')
    if len(run) == 1:
        out.append(
            f'<circle class="c-dot" cx="{x(run[0].day):.1f}" cy="{y(run[0].value or 0.0):.1f}" '
            f'r="1.8"/>'
        )
    else:
        path = "L".join(f"{x(p.day):.1f} {y(p.value or 0.0):.1f}" for p in run)
        out.append(
            f'<path class="c-line" fill="none" stroke-width="1.6" stroke-linejoin="round" '
            f'd="M{path}"/>'
        )
    return out


def _axis(spec: Trend, points: Sequence[Point]) -> tuple[float, float, list[float]]:
    """The lowest and highest value of the axis and two or three round ticks between them."""
    values = [value for p in points for value in (p.value, p.lower, p.upper) if value is not None]
    values += [spec.usual] if spec.usual is not None else []
    values = [value for value in values if _drawable(value)]
    if not values:
        return 0.0, 1.0, []
    low, high = min(values), max(values)
    # A steady figure must look steady: never zoom in further than a twentieth of the level.
    least = max(abs(high), abs(low)) * 0.1 or 1.0
    least = max(least, 1e-6)
    if spec.unit in {"share", "probability", "score"}:
        least = max(least, 0.04)
    if high - low < least:
        middle = (high + low) / 2
        low, high = middle - least / 2, middle + least / 2
    room = (high - low) * 0.06
    low, high = low - room, high + room
    if min(values) >= 0:
        low = max(low, 0.0)
    if spec.unit in {"share", "probability", "score"} and max(values) <= 1:
        high = min(high, 1.0)
    step = 10.0 ** math.floor(math.log10(high - low))
    fits = []
    for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0):
        first = math.ceil(low / (step * factor) - 1e-9)
        last = math.floor(high / (step * factor) + 1e-9)
        fits.append([index * step * factor for index in range(first, last + 1)])
    return low, high, min(fits, key=lambda ticks: (abs(len(ticks) - 3), len(ticks)))


def _tick(value: float, ticks: Sequence[float], unit: str) -> str:
    step = min((b - a for a, b in pairwise(ticks)), default=abs(value) or 1.0)
    if unit == "share":
        return f"{value * 100:.{0 if step >= 0.00999 else 1}f} %"
    if unit == "ms":
        return (
            f"{value / 1000:.{max(0, math.ceil(-math.log10(step / 1000) - 1e-9))}f} s"
            if value >= 1000
            else f"{value:.0f} ms"
        )
    if unit == "usd":
        return f"${value:.{min(max(0, math.ceil(-math.log10(step) - 1e-9)), 6)}f}"
    if unit == "tokens":
        return f"{value / 1000:g}k" if value >= 1000 and step >= 100 else f"{value:.0f}"
    return f"{value:.{max(1, min(4, math.ceil(-math.log10(step) - 1e-9)))}f}"


def spoken(spec: Trend) -> str:
    """What the chart shows, for those who cannot see it."""
    points = [point for point in spec.points if spec.start <= point.day <= spec.end]
    text = f"{spec.title}, {long_date(spec.start)} to {long_date(spec.end)}"
    known = [point for point in points if point.value is not None]
    if not known:
        return f"{text}: no values"
    values = [point.value for point in known if point.value is not None]
    text += f": between {short(min(values), spec.unit)} and {short(max(values), spec.unit)}"
    text += f", last {short(known[-1].value, spec.unit)}"
    if spec.usual is not None:
        text += f", usually {short(spec.usual, spec.unit)}"
    return text + "".join(f"; {mark.text}" for mark in spec.marks[:3])
