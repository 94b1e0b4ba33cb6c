"""The two charts of the page: areas beside the best trivial score, and the calibration curve. SVG
in the classes of the report's style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from evalkit.agreement.figures import Group
from evalkit.agreement.tables import name
from evalkit.stats.reliability import Bin

__all__ = ["areas", "calibration"]

_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def areas(groups: Sequence[Group], width: int = 420) -> Markup:
    """The AUROC of each group with its interval, the length-matched one as a ring and the best
    trivial score as a tick."""
    known = [group for group in groups if group.auroc is not None]
    left, right, row, top = 128.0, 12.0, 22.0, 8.0
    height = top + row * len(known) + 20
    lowest = min(
        [0.5]
        + [v for g in known for v in (g.auroc, g.auroc_lower, g.matched_auroc) if v is not None]
    )
    low = 0.0 if lowest < 0.4 else 0.4

    def x(value: float) -> float:
        return left + (width - left - right) * (value - low) / (1 - low)

    spoken = "; ".join(f"{name(group.group)} {group.auroc:.2f}" for group in known)
    out = [_open(width, height, f"AUROC by group: {spoken or 'none'}")]
    for tick in (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        if tick >= low:
            kind = "c-usual" if tick == 0.5 else "c-grid"
            out.append(_line(kind, x(tick), top, x(tick), height - 18))
            out.append(_text(x(tick), height - 5, f"{tick:g}", "middle"))
    for index, group in enumerate(known):
        y = top + row * (index + 0.5)
        out.append(_text(left - 10, y + 3.6, _short(name(group.group)), "end"))
        if group.auroc_lower is not None and group.auroc_upper is not None:
            ends = x(group.auroc_lower), x(group.auroc_upper)
            out.append(_line("c-line", ends[0], y, ends[1], y, ' stroke-width="2"'))
        best = max((b.auroc for b in group.baselines.values() if b.auroc is not None), default=None)
        if best is not None:
            at = x(max(best, low))
            out.append(_line("c-tick", at, y - 7, at, y + 7, ' stroke-width="1.6"'))
        if group.matched_auroc is not None:
            out.append(_ring(x(max(group.matched_auroc, low)), y))
        out.append(_dot(x(group.auroc or 0.0), y, 4.2))
    out.append("</svg>")
    return Markup("".join(out))


def calibration(curve: Sequence[Bin], title: str, size: int = 300) -> Markup:
    """Share of label 1 over the mean score of each bin, with intervals; on the dashed line scores
    say what is so."""
    left, bottom, top, right = 34.0, 30.0, 8.0, 10.0

    def x(value: float) -> float:
        return left + (size - left - right) * value

    def y(value: float) -> float:
        return top + (size - top - bottom) * (1 - value)

    spoken = "; ".join(f"said {part.probability:.2f}, so {part.rate:.2f}" for part in curve)
    out = [_open(size, size, f"Calibration of {title}: {spoken}")]
    for tick in _TICKS:
        out.append(_line("c-grid", left, y(tick), size - right, y(tick)))
        out.append(_text(left - 5, y(tick) + 3.6, f"{tick:g}", "end"))
        out.append(_text(x(tick), size - bottom + 13, f"{tick:g}", "middle"))
    out.append(_line("c-usual", x(0), y(0), x(1), y(1), ' stroke-dasharray="2 3"'))
    points = "L".join(f"{x(part.probability):.1f} {y(part.rate):.1f}" for part in curve)
    out.append(f'<path class="c-line" fill="none" stroke-width="1.2" d="M{points}"/>')
    for part in curve:
        at = x(part.probability)
        out.append(_line("c-line", at, y(part.lower), at, y(part.upper), ' stroke-opacity="0.6"'))
        out.append(_dot(at, y(part.rate), 3.2))
    out.append(_text((left + size - right) / 2, size - 3, "said", "middle"))
    out.append(_text(left + 5, top + 9, "so", "start"))
    out.append("</svg>")
    return Markup("".join(out))


def _short(text: str) -> str:
    return text if len(text) <= 18 else text[:17] + "…"


def _open(width: float, height: float, spoken: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width:.0f} '
        f'{height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(spoken)}">'
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float, extra: str = "") -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{extra}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="c-axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _dot(x: float, y: float, r: float) -> str:
    return f'<circle class="c-dot" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'


def _ring(x: float, y: float) -> str:
    return (
        f'<circle class="c-line" fill="none" stroke-width="1.4" cx="{x:.1f}" cy="{y:.1f}" r="6.6"/>'
    )
