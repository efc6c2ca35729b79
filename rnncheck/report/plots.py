"""What people would rather look at than read, as shapes for inline SVG: numbers, paths, and short names."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rnncheck.core.verdict import Course
from rnncheck.report.model import Choice, Results
from rnncheck.report.text import clean

GLANCE = (8, 18)
"""Width and height in pixels of one verdict at a glance."""
LEFT = 160
"""Pixels for the subjects' names beside them."""
CELL = 12
"""Pixels of a square on the coverage map."""
STEPS = 120
"""Points of a course at most; of several steps in one point the worst is drawn."""


def squares(places: Sequence[tuple[int, int]], width: int, height: int) -> str:
    """The path of filled rectangles, a pixel apart, at (column, row).

    >>> squares([(0, 1)], 8, 10)
    'M0 10h7v9h-7z'
    """
    return "".join(f"M{x * width} {y * height}h{width - 1}v{height - 1}h{1 - width}z" for x, y in places)


def overview(report: Results) -> dict[str, Any]:
    """A row a subject, a column a property, a path a verdict; the columns in the order in which they first occur."""
    families: dict[str, dict[str, None]] = {}
    for _, verdict in report.verdicts():
        families.setdefault(verdict.property.partition(".")[0], {})[verdict.property] = None
    ids = [id for family in families.values() for id in family]
    column = {id: place for place, id in enumerate(ids)}
    places: dict[str, list[tuple[int, int]]] = {}
    for row, subject in enumerate(report.subjects):
        for verdict in subject.verdicts:
            places.setdefault(verdict.verdict, []).append((column[verdict.property], row))
    starts = [(column[next(iter(family))], name) for name, family in families.items()]
    paths = {status: squares(found, *GLANCE) for status, found in places.items()}
    names = [name if len(name) <= 24 else f"…{name[-23:]}" for name in (clean(subject.name) for subject in report.subjects)]
    return {"ids": ids, "families": starts, "paths": paths, "names": names, "cell": GLANCE, "left": LEFT,
            "width": GLANCE[0] * len(ids), "height": GLANCE[1] * len(names)}  # fmt: skip


def coverage(pairs: Mapping[tuple[Choice, Choice], tuple[int, int]]) -> dict[str, Any] | None:
    """A triangle: the square of two choices says how many of the combinations with both were judged. None without any.

    Each choice's row ends where its column begins, and there stands its name.
    """
    choices = sorted({choice for pair in pairs for choice in pair}, key=lambda choice: (choice[0], str(choice[1])))
    if not choices:
        return None
    at = {choice: place for place, choice in enumerate(choices)}
    places: dict[str, list[tuple[int, int]]] = {"all": [], "some": [], "none": []}
    for pair, (covered, promised) in pairs.items():
        column, row = sorted(at[choice] for choice in pair)
        places["all" if covered == promised else "some" if covered else "none"].append((column, row))
    names = [(f"{axis} {_word(value)}", CELL * place) for place, (axis, value) in enumerate(choices)]
    longest = max(len(name) for name, _ in names)
    return {
        "paths": {kind: squares(found, CELL, CELL) for kind, found in places.items() if found},
        "names": names,
        "width": CELL * len(choices) + 7 * longest,
        "height": CELL * len(choices),
    }


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def histograms(shares: Mapping[tuple[str, str], Sequence[float]], width: int = 120, height: int = 44) -> list[dict[str, Any]]:
    """One for each gate: bars as high as its fullest bin is full."""
    shapes = []
    for (mode, letter), values in shares.items():
        step, most = width / len(values), max(values, default=0.0) or 1.0
        bars = [(round(i * step, 1), round(height * value / most, 1)) for i, value in enumerate(values) if value > 0]
        path = "".join(f"M{x} {height}v{-high}h{step - 1:g}v{high}z" for x, high in bars)
        low = "-1" if letter in "gnh" else "0"
        middle = sum(values[len(values) // 20 : len(values) - len(values) // 20])
        shapes.append({"name": f"{mode} {letter}", "path": path, "low": low, "width": width, "height": height,
                       "ends": f"{100 * (1 - middle):.0f}"})  # fmt: skip
    return shapes


def course(steps: Course | None, width: int = 420, height: int = 96) -> dict[str, Any] | None:
    """Error and budget over time, on a logarithmic scale: dots, and the area of what is allowed. None for a single step."""
    if steps is None or len(steps) < 2:
        return None
    per = math.ceil(len(steps) / STEPS)
    drawn = [max(steps[i : i + per], key=_excess) for i in range(0, len(steps), per)]
    positive = [v for step in drawn for v in step if 0 < v < math.inf]
    if not positive:
        return None
    low, high = math.floor(math.log10(min(positive) / 2)), math.ceil(math.log10(max(positive)))
    low, high = max(low, high - 20), max(high, low + 1)

    def y(value: float) -> float:
        exponent = low if value <= 0 else high if value == math.inf else math.log10(value)
        return round(height - height * (min(max(exponent, low), high) - low) / (high - low), 1)

    x = [round((i + 0.5) * width / len(drawn), 1) for i in range(len(drawn))]
    half = width / len(drawn) / 2
    edges = "".join(f"L{at - half:.1f} {y(allowed)}H{at + half:.1f}" for at, (_, allowed) in zip(x, drawn, strict=True))
    dots = [(at, y(error), error > allowed) for at, (error, allowed) in zip(x, drawn, strict=True)]
    return {"area": f"M0 {height}{edges}V{height}z", "dots": dots, "low": low, "high": high, "last": len(steps) - 1,
            "width": width, "height": height}  # fmt: skip


def _excess(step: tuple[float, float]) -> float:
    error, allowed = step
    return error / allowed if allowed > 0 else math.inf if error > 0 else 0.0
