"""A picture of how a build grows, as SVG."""

import itertools
from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 720, 380, 60, 46, 24
LINES = (
    ("all new", "#1f6feb"),
    ("one package more", "#d29922"),
    ("nothing new", "#2da44e"),
    ("the least that has to be done", "#8b949e"),
)


def picture(points: Sequence[tuple[float, ...]]) -> str:
    """``points`` are (packages, seconds of each of `LINES`), the smallest first."""
    widest = max(point[0] for point in points) * 1.05
    highest = max(max(point[1:]) for point in points) * 1.1
    across = (WIDTH - LEFT - 190) / widest
    up = (HEIGHT - BELOW - ABOVE) / highest

    def place(packages: float, seconds: float) -> tuple[float, float]:
        return LEFT + packages * across, HEIGHT - BELOW - seconds * up

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    step = 1 if highest > 3 else 0.5 if highest > 1.2 else 0.2
    for number in range(int(highest / step) + 1):
        _, y = place(0, number * step)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - 190}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:g} s</text>')
    for packages, *_ in points:
        x, y = place(packages, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{packages:g}</text>')
    parts.append(f'<text x="{(WIDTH - 190 + LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">packages</text>')
    ends = []
    for at, (title, colour) in enumerate(LINES, 1):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(point[0], point[at]) for point in points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        ends.append([place(points[-1][0], points[-1][at])[1], title, colour])
    ends.sort()
    for before, end in itertools.pairwise(ends):
        end[0] = max(end[0], before[0] + 16)  # so that no label lies on another
    parts += [f'<text x="{WIDTH - 182}" y="{y + 4:.1f}" fill="{colour}">{title}</text>' for y, title, colour in ends]
    return "\n".join([*parts, "</svg>", ""])
