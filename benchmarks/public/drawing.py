"""Bars as an SVG that reads on a light and on a dark page, without a font or a file of its own."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from benchmarks.public.chapter import Bars

WIDTH: Final = 720
ROW: Final = 30
TOP: Final = 44
CHARACTER: Final = 7.4
"""The width of a character of a label, on average."""
LABELS: Final = (160, 370)
"""The least and the most room for labels, left of the bars."""
FIGURES: Final = 90
"""Room for the figure behind the longest bar."""

STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.bar { fill: #8c959f }
.ours { fill: #0969da }
.target { stroke: #1f2328; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .bar { fill: #6e7681 }
  .ours { fill: #4493f8 }
  .target { stroke: #e6edf3 }
}
"""


def drawing(bars: Bars) -> str:
    """Return the SVG of bars; those whose label begins with "nlapi" stand out, the target is a dashed line."""
    height = TOP + ROW * len(bars.bars) + (24 if bars.target is not None else 8)
    largest = max([value for _, value in bars.bars] + ([] if bars.target is None else [bars.target])) or 1.0
    longest = max(len(label) for label, _ in bars.bars)
    left = round(min(max(LABELS[0], longest * CHARACTER + 12), LABELS[1]))
    scale = (WIDTH - left - FIGURES) / largest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f"aria-label={quoteattr(_read_aloud(bars))}>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="20">{escape(_heading(bars))}</text>',
    ]
    for number, (label, value) in enumerate(bars.bars):
        top = TOP + ROW * number
        kind = "bar ours" if label.startswith("nlapi") else "bar"
        parts += [
            f'<text x="{left - 10}" y="{top + 16}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{kind}" x="{left}" y="{top + 1}" width="{max(value * scale, 1):.1f}" height="20" rx="2"/>',
            f'<text x="{left + value * scale + 8:.1f}" y="{top + 16}">{_figure(value)}</text>',
        ]
    if bars.target is not None:
        x = left + bars.target * scale
        parts += [
            f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 20}"/>',
            f'<text x="{x:.1f}" y="{height - 5}" text-anchor="middle">target {_figure(bars.target)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _read_aloud(bars: Bars) -> str:
    figures = ", ".join(f"{label} {_figure(value)}" for label, value in bars.bars)
    target = "" if bars.target is None else f"; target {_figure(bars.target)}"
    return f"{_heading(bars)}: {figures}{target}"


def _heading(bars: Bars) -> str:
    return (
        bars.title
        if bars.unit in bars.title or bars.title.lower().startswith(bars.unit)
        else f"{bars.title}, {bars.unit}"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
