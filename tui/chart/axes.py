"""Ranges that hold still and ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core import humanise

LABEL_WIDTH = 6
"""Cells for y labels: fixed, so that columns drawn before stay where they were."""

Bounds = tuple[float, float]
Tick = tuple[float, str]


@dataclass
class Sticky:
    """The ranges drawn last. x grows in steps of a quarter; y moves only when it is exceeded."""

    x: Bounds | None = None
    y: Bounds | None = None

    def x_range(self, low: float, high: float, *, live: bool, whole: bool) -> Bounds:
        """The range for data from `low` to `high`; exact once the run has ended."""
        # One point alone, of whatever axis, has a second, a step or an epoch around it.
        least = 1.0
        if not live:
            self.x = (low, max(high, low + least))
            return self.x
        span = (
            self.x[1] - self.x[0] if self.x and self.x[0] == low else max(high - low, 4 if whole else least)
        )
        while low + span < high:
            span = math.ceil(span * 1.25) if whole else span * 1.25
        self.x = (low, low + span)
        return self.x

    def y_range(
        self, low: float, high: float, *, live: bool, floor: float | None, ceiling: float | None
    ) -> Bounds:
        """The range for data from `low` to `high`, never beyond `floor` and `ceiling`."""
        self.y = _held(self.y, low, high, floor, ceiling) if live else padded(low, high, floor, ceiling)
        return self.y

    def value_range(
        self, low: float, high: float, *, live: bool, floor: float | None, ceiling: float | None
    ) -> Bounds:
        """The same for an x that is a value like y, not a time."""
        self.x = _held(self.x, low, high, floor, ceiling) if live else padded(low, high, floor, ceiling)
        return self.x


def _held(
    known: Bounds | None, low: float, high: float, floor: float | None, ceiling: float | None
) -> Bounds:
    """`known` as long as it holds the data, else a range that holds both."""
    if known is None:
        return padded(low, high, floor, ceiling)
    if known[0] <= low and high <= known[1]:
        return known
    return padded(min(low, known[0]), max(high, known[1]), floor, ceiling)


def padded(low: float, high: float, floor: float | None, ceiling: float | None) -> Bounds:
    """`low..high` with a little room, on round numbers, clipped; never empty."""
    span = high - low
    if span <= 1e-9 * max(abs(low), abs(high)):
        span = abs(high) * 0.2 or 0.2
        low, high = low - span / 2, high + span / 2
    step = nice_step(span, 8)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    if floor is not None and bottom < floor:
        bottom = floor
    if ceiling is not None and top > ceiling:
        top = ceiling
    return (bottom, top) if top > bottom else (bottom, bottom + step)


def nice_step(span: float, parts: float) -> float:
    """1, 2 or 5 times a power of ten that cuts `span` into at most about `parts`."""
    if not span > 0 or not math.isfinite(span):
        return 1.0
    raw = span / max(parts, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 2, 5):
        if raw <= factor * power * (1 + 1e-9):
            return factor * power
    return 10 * power


def linear_ticks(bounds: Bounds, count: int, *, whole: bool = False) -> list[Tick]:
    """Round values within `bounds`, at most about `count`; whole numbers on request."""
    step = nice_step(bounds[1] - bounds[0], max(count, 1))
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(bounds[0] / step - 1e-9), math.floor(bounds[1] / step + 1e-9)
    return [(index * step, tick_label(index * step, step)) for index in range(first, last + 1)]


def log_ticks(bounds: Bounds, count: int) -> list[Tick]:
    """Ticks for bounds in log10: decades, their 1-2-5 steps, or round values when the range is narrow."""
    low, high = bounds
    for factors in ((1,), (1, 2, 5)):
        values = [
            factor * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for factor in factors
        ]
        inside = [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
        if len(inside) > count:
            every = -(-len(inside) // count)
            inside = inside[::every]
        if len(inside) >= 3:
            return [(math.log10(value), tick_label(value, value)) for value in inside]
    narrow = linear_ticks((10.0**low, 10.0**high), count)
    return [(math.log10(value), label) for value, label in narrow if value > 0]


def time_ticks(bounds: Bounds, count: int) -> list[Tick]:
    """Round durations (seconds in) such as `30 s`, `2 m`, `1 h`."""
    span = bounds[1] - bounds[0]
    steps = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
    step = next((step for step in steps if span / step <= count), nice_step(span, count))
    first, last = math.ceil(bounds[0] / step), math.floor(bounds[1] / step)
    return [(index * step, _clock(index * step)) for index in range(first, last + 1)]


def tick_label(value: float, step: float) -> str:
    """`value` in at most LABEL_WIDTH characters, with the decimals that `step` needs; `…`: no room."""
    if value == 0:
        return "0"
    size = abs(value)
    decimals = min(max(0, -math.floor(math.log10(step) + 1e-9)), 5) if step > 0 else 2
    tiny = size < 1e-4 or (step < 1e-4 and size < 1e-2)
    texts = [humanise.learning_rate(float(f"{value:.{digits}e}")) for digits in (1, 0)]
    if size < 1e6 and not tiny:
        texts = [f"{value:.{decimals}f}", f"{value:.3g}", *texts]
        if size >= 1e4:
            texts = [*(f"{value / 1e3:.{digits}g}k" for digits in (6, 5, 4, 3)), *texts]
    exact = 0.05 * size if texts[0] == humanise.learning_rate(float(f"{value:.1e}")) else 0.1 * step
    for text in texts:
        read = float(text[:-1]) * 1e3 if text.endswith("k") else float(text)
        if len(text) <= LABEL_WIDTH and abs(read - value) <= max(exact, 1e-3 * size):
            return text
    return "…"


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    if seconds < 3600:
        return f"{seconds / 60:.4g} m"
    if seconds < 86400:
        return f"{seconds / 3600:.4g} h"
    return f"{seconds / 86400:.3g} d"
