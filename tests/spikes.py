"""An extreme one point wide in a curve, drawn in every style: is it to be seen?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tui.chart.axes import LABEL_WIDTH, Sticky
from tui.chart.compose import ChartData, Curve, compose
from tui.chart.view_state import ViewState
from tui.read.series import Series, SeriesView

HEIGHT = 9
POINTS, MANY = 700, 150_000
_UPPER, _LOWER = 0x01 | 0x08, 0x40 | 0x80


@dataclass(frozen=True)
class Style:
    """How the curve with the extreme is drawn; `beside`: another curve over it."""

    dotted: bool = False
    ghost: bool = False
    log: bool = False
    smoothing: float = 0.0
    axis: str = "step"
    beside: bool = False
    points: int = POINTS
    live: bool = False


STYLES = {
    "solid": Style(),
    "dotted": Style(dotted=True),
    "superseded": Style(ghost=True),
    "log": Style(log=True),
    "log-dotted": Style(log=True, dotted=True),
    "smooth": Style(smoothing=0.6),
    "smoother-dotted": Style(smoothing=0.97, dotted=True),
    "two-runs": Style(dotted=True, beside=True, live=True),
    "two-runs-smooth-log": Style(dotted=True, beside=True, smoothing=0.9, log=True),
    "uneven-time": Style(dotted=True, axis="time"),
    "many-points": Style(dotted=True, points=MANY),
    "many-points-uneven-time": Style(dotted=True, points=MANY, axis="time", log=True),
}


def view(values: object, style: Style) -> SeriesView:
    """The values as a series; time runs ten thousand times slower in the last half."""
    y = np.asarray(values, dtype=float)
    step = np.arange(len(y), dtype=float)
    time = np.maximum(step - len(y) // 2, 0) + step * 1e-4
    series = Series()
    series.extend(np.stack([step, step, time, 10.0 ** (3 * y - 2) if style.log else y]))
    return series.view()


def windows(style: Style, count: int, seed: int) -> list[tuple[int, bool, tuple[float, float] | None]]:
    """Where the extreme is, whether it is a peak, and a window of x, in parts of it, that holds it."""
    rng = np.random.default_rng(seed)
    found: list[tuple[int, bool, tuple[float, float] | None]] = []
    for number in range(count):
        at = int(rng.integers(style.points))
        step = np.array([0.0, at, style.points - 1.0])
        x = step if style.axis == "step" else np.maximum(step - style.points // 2, 0) + step * 1e-4
        place = float((x[1] - x[0]) / (x[2] - x[0]))
        size = float(10.0 ** rng.uniform(-2, 0))
        low = float(np.clip(place - size * rng.choice([0.0, 1.0, rng.uniform()]), 0, 1 - size))
        zoom = None if number % 5 == 0 else (min(low, place), max(min(low + size, 1.0), place + 1e-6))
        found.append((at, bool(rng.integers(2)), zoom))
    return found


def lost(style: Style, width: int, count: int, seed: int = 0) -> int:
    """In how many of `count` windows on a chart of `width` cells the extreme is not to be seen."""
    rng = np.random.default_rng(seed + width)
    base = rng.uniform(0.1, 0.5, style.points)
    base[::7] = 0.0
    other = Curve("other", "o", view(rng.uniform(0.2, 0.4, style.points), style), 1)
    missing = 0
    for at, peak, zoom in windows(style, count, seed + width):
        values = base.copy()
        values[at] = 1.0
        curve = Curve("it", "i", view(values if peak else 1 - values, style), 0, style.dotted, style.ghost)
        curves = (curve, replace(other, ghost=False)) if style.beside or style.ghost else (curve,)
        data = ChartData("accuracy", curves, "key", bounded=not style.log, live=style.live)
        state = ViewState(style.axis, style.log, style.smoothing, zoom)
        picture = compose(data, state, Sticky(), width, HEIGHT)
        x = curve.view.x(style.axis)
        missing += not seen(picture.chars, float(x[at]), (float(x[0]), float(x[-1])), zoom, peak)
    return missing


def seen(
    chars: np.ndarray, x: float, whole: tuple[float, float], zoom: tuple[float, float] | None, peak: bool
) -> bool:
    """Whether there is a dot in the last row of dots of the column of `x`, the top one for a peak."""
    columns = chars.shape[1] - LABEL_WIDTH - 1
    span = whole[1] - whole[0]
    low, high = whole[0], whole[1] + span * 2 / (columns - 3)
    if zoom is not None:
        low, high = (whole[0] + part * max(span, 1.0) for part in zoom)
    column = LABEL_WIDTH + 1 + int((x - low) / (high - low) * (2 * columns - 1) + 0.5) // 2
    sign = chars[0 if peak else HEIGHT - 3, column]
    return "\u2800" < sign <= "\u28ff" and bool(ord(sign) & (_UPPER if peak else _LOWER))


def report(widths: range, count: int, say: Callable[[str], object] = print) -> int:
    """Lost extremes of all styles; a line for each."""
    total = 0
    for name, style in STYLES.items():
        missing = sum(lost(style, width, count) for width in widths)
        say(f"{name:24} {missing:6} of {len(widths) * count} lost")
        total += missing
    return total
