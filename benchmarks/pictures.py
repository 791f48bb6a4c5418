"""Pictures of the figures, as SVG that is readable on a light and on a dark page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """\
<style>
.card { fill: #ffffff } .grid { stroke: #d1d9e0 } .text { fill: #1f2328 } .soft { fill: #59636e }
.ours { fill: #1f6feb; stroke: #1f6feb } .docker { fill: #8c959f } .buildah { fill: #bc8c4c }
.more { fill: #9a6700; stroke: #9a6700 } .nothing { fill: #1a7f37; stroke: #1a7f37 } .least { fill: #59636e; stroke: #59636e }
@media (prefers-color-scheme: dark) {
.card { fill: #0d1117 } .grid { stroke: #3d444d } .text { fill: #f0f6fc } .soft { fill: #9198a1 }
.ours { fill: #58a6ff; stroke: #58a6ff } .docker { fill: #656c76 } .buildah { fill: #a57b43 }
.more { fill: #d29922; stroke: #d29922 } .nothing { fill: #3fb950; stroke: #3fb950 } .least { fill: #9198a1; stroke: #9198a1 }
}
polyline { fill: none !important; stroke-width: 2.5 } .bold { font-weight: 600 } rect { stroke: none !important }
text { paint-order: stroke; stroke-width: 4 !important; stroke: #ffffff !important }
@media (prefers-color-scheme: dark) { text { stroke: #0d1117 !important } }
</style>"""

WIDTH = 760
BAR, GAP = 15, 13


@dataclass(frozen=True, slots=True)
class Bar:
    """One side's seconds. ``kind`` is a class of the style, ``times`` how many times ours it takes (0 for ours itself)."""

    kind: str
    seconds: float
    times: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured: what it is in one or two lines, ours first."""

    title: str
    subtitle: str
    bars: tuple[Bar, ...]


def bars(title: str, legend: Sequence[tuple[str, str]], rows: Sequence[Row]) -> str:
    """Bars of all sides below each other, on one scale. ``legend`` has classes and names."""
    left, right = 250, 110
    scale = (WIDTH - left - right) / max(bar.seconds for row in rows for bar in row.bars)
    parts, y = [], 76
    for row in rows:
        high = max(2, len(row.bars)) * (BAR + 2)
        middle = y + high / 2
        parts += [
            _text(20, middle - 3, row.title, "text bold"),
            _text(20, middle + 13, row.subtitle, "soft", size=12),
        ]
        for number, bar in enumerate(row.bars):
            top = y + number * (BAR + 2)
            wide = max(2.0, bar.seconds * scale)
            label = f"{seconds(bar.seconds)}{f' · {times(bar.times)}' if bar.times else ''}"
            parts += [
                f'<rect class="{bar.kind}" x="{left}" y="{top}" width="{wide:.1f}" height="{BAR}" rx="2"/>',
                _text(left + wide + 7, top + BAR - 3, label, "text" if bar.times else "text bold"),
            ]
        y += high + GAP
    parts += [_text(20, 30, title, "text bold", size=16), *_legend(20, 54, legend)]
    return _svg(y + 6, parts)


def _legend(x: float, y: float, legend: Sequence[tuple[str, str]]) -> list[str]:
    parts = []
    for kind, name in legend:
        parts.append(f'<rect class="{kind}" x="{x}" y="{y - 10}" width="11" height="11" rx="2"/>')
        parts.append(_text(x + 17, y, name, "soft"))
        x += 17 + 7.2 * len(name) + 22
    return parts


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds by the number of packages, and for the large wheels (None where they were left out)."""

    kind: str
    title: str
    points: tuple[tuple[int, float], ...]
    large: float | None


def growth(title: str, large_title: str, lines: Sequence[Line]) -> str:
    """Lines over the number of packages; the large wheels as bars beside them, on the same scale."""
    top, bottom, left, right, names = 60, 330, 60, 400, 150
    highest = 1.08 * max(
        [value for line in lines for _, value in line.points] + [line.large for line in lines if line.large]
    )
    widest = 1.02 * max(packages for packages, _ in lines[0].points)
    up, across = (bottom - top) / highest, (right - left) / widest
    parts = [_text(20, 30, title, "text bold", size=16)]
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50) if highest / step < 8)
    has_large = all(line.large is not None for line in lines)
    for number in range(int(highest / step) + 1):
        y = bottom - number * step * up
        spans = [(left, right), (right + names, WIDTH - 20)] if has_large else [(left, right)]
        parts += [f'<line class="grid" x1="{x1}" y1="{y:.1f}" x2="{x2}" y2="{y:.1f}"/>' for x1, x2 in spans]
        parts.append(_text(left - 8, y + 4, f"{number * step:g} s", "soft", anchor="end", size=12))
    for packages, _ in lines[0].points:
        parts.append(_text(left + packages * across, bottom + 18, str(packages), "soft", anchor="middle", size=12))
    parts.append(_text((left + right) / 2, bottom + 38, "packages", "soft", anchor="middle"))
    ends = []
    for line in lines:
        places = [(left + packages * across, bottom - value * up) for packages, value in line.points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashes = ' stroke-dasharray="5 4"' if line.kind == "least" else ""
        parts.append(f'<polyline class="{line.kind}" points="{drawn}"{dashes}/>')
        parts += [f'<circle class="{line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        ends.append((places[-1][1], line))
    lowest = 0.0
    for y, line in sorted(ends, key=lambda end: end[0]):
        lowest = max(y, lowest + 15)  # no label lies on another
        label = f"{line.title} {seconds(line.points[-1][1])}"
        parts.append(_text(right + 10, lowest + 4, label, line.kind, size=12))
    if has_large:
        x = float(right + names + 22)
        for line in lines:
            assert line.large is not None
            high = max(1.5, line.large * up)
            parts.append(
                f'<rect class="{line.kind}" x="{x:.1f}" y="{bottom - high:.1f}" width="30" height="{high:.1f}" rx="2"/>'
            )
            parts.append(_text(x + 15, bottom - high - 6, seconds(line.large), line.kind, anchor="middle", size=12))
            x += 42
        parts.append(_text(right + names + 22 + 78, bottom + 38, large_title, "soft", anchor="middle"))
    return _svg(bottom + 56, parts)


def seconds(value: float) -> str:
    """``27 s``, ``2.3 s``, ``0.17 s``."""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def times(value: float) -> str:
    """``12x``, ``2.3x``."""
    return f"{value:.0f}x" if value >= 9.5 else f"{value:.1f}x"


def _text(x: float, y: float, text: str, kind: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}"'
    fonts = "-apple-system, Segoe UI, Helvetica, Arial, sans-serif"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" {size} font-family="{fonts}">',
            STYLE,
            f'<rect class="card" {size} rx="6"/>',
            *parts,
            "</svg>",
            "",
        ]
    )
