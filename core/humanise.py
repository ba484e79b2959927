"""Numbers as people read them; the same on the command line and on the screens."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.metrics import form_of

THIN_SPACE = "\u2009"
MISSING = "–"
_STATE_GLYPHS = {
    "queued": "…",
    "starting": "◌",
    "running": "●",
    "stopping": "◍",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "lost": "?",
}


def state_glyph(state: str) -> str:
    """The one-cell sign of a run state."""
    return _STATE_GLYPHS.get(state, " ")


def metric(value: float | None) -> str:
    """A score with 4 decimals: `0.8021`."""
    return _special(value) or f"{value:.4f}"


def loss(value: float | None) -> str:
    """A loss with 4 significant digits: `0.5841`, `1.778`, `2.3e-05`."""
    special = _special(value)
    if special or value is None:
        return special
    if value != 0 and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.1e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 3
    return f"{value:.{min(digits, 7)}f}"


def number(name: str, value: float | None) -> str:
    """A metric by its name: losses with 4 significant digits, short learning rates, whole `images/s`."""
    special = _special(value)
    if special or value is None:
        return special
    match form_of(name):
        case "loss":
            return loss(value)
        case "rate":
            return learning_rate(value)
        case "seconds":
            return duration(value)
        case "speed":
            return count(round(value))
        case "score":
            return metric(value)


def learning_rate(value: float | None) -> str:
    """`1e-3`, `5e-4`, `2.5e-3`, `0.01` as `1e-2`."""
    special = _special(value)
    if special or value is None:
        return special
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def learning_rates(rates: Mapping[str, float]) -> str:
    """Rates by part of the network: `1e-4 (back) and 1e-2 (head)`; of one part without its name."""
    if len(rates) == 1:
        return learning_rate(next(iter(rates.values())))
    return " and ".join(f"{learning_rate(rate)} ({part})" for part, rate in rates.items())


def count(value: int) -> str:
    """Thousands set apart by thin spaces: `50 000`."""
    return f"{value:,}".replace(",", THIN_SPACE)


def short_count(text: str, width: int) -> str | None:
    """A whole number as `count` or plain digits have it, in `width` characters: `1.03 M`; None: no room.

    None as well for what is no whole number, or too small to be put in thousands.
    """
    digits = text.replace(THIN_SPACE, "")
    if not digits.isdecimal() or not digits.isascii():
        return None
    value = int(digits)
    for factor, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value < factor:
            continue
        for decimals in (2, 1, 0):
            short = f"{value / factor:.{decimals}f}{THIN_SPACE}{unit}"
            if len(short) <= width:
                return short
    return None


def size(octets: float) -> str:
    """Bytes in kB, MB or GB (powers of 1000)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= factor:
            value = octets / factor
            return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{octets:.0f} B"


def duration(seconds: float) -> str:
    """The two largest units at most: `0.4 s`, `42 s`, `3 m`, `1 h 12 m`, `5 d`."""
    if not math.isfinite(seconds) or seconds < 0:
        return MISSING
    if seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 60:
        return f"{minutes:.0f} m"
    hours, rest = divmod(round(minutes), 60)
    if hours < 48:
        return f"{hours} h {rest} m" if rest and hours < 10 else f"{hours} h"
    return f"{hours // 24} d"


def age(seconds: float) -> str:
    """How long ago: `now`, `40 s`, `3 m`, `2 h`, `5 d`."""
    if seconds < 2:
        return "now"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} m"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h"
    return f"{seconds // 86400:.0f} d"


def eta(seconds: float | None) -> str:
    """`≈ 14 m`, or a dash."""
    return MISSING if seconds is None or not math.isfinite(seconds) else f"≈ {duration(max(seconds, 0))}"


def not_finite(nan: int, up: int, down: int) -> str:
    """How many values are no numbers, by kind: `1 NaN, 2 ∞`; empty for none."""
    counts = (nan, "NaN"), (up, "∞"), (down, "-∞")
    return ", ".join(f"{count(times)} {kind}" for times, kind in counts if times)


def _special(value: float | None) -> str:
    if value is None:
        return MISSING
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return ""
