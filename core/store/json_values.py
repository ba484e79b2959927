"""Values out of JSON that may hold anything: each as the type that is expected, or as nothing."""

from __future__ import annotations

import math
from typing import Any

from core.text import clean

BIGGEST = 1 << 53
"""Up to here a float holds every whole number."""
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def metric_of(value: object) -> float | None:
    """A stored metric as a float, "NaN" and the infinities from their words; None for anything else."""
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        return _NOT_FINITE.get(value)
    if isinstance(value, int):
        return float(value) if -BIGGEST <= value <= BIGGEST else None
    return None


def stored_metric(value: float) -> float | str:
    """A metric as JSON can hold it: NaN and the infinities as words."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text_of(value: object, limit: int | None = None, *, newlines: bool = False) -> str:
    """Text, cleaned and no longer than `limit`; else the empty string."""
    return clean(value[:limit], newlines=newlines) if isinstance(value, str) else ""


def text_or_none(value: object, limit: int | None = None) -> str | None:
    """Text, cleaned and no longer than `limit`; else None."""
    return clean(value[:limit]) if isinstance(value, str) else None


def number_of(value: object) -> float | None:
    """A finite number; None for true, false and all else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def integer_of(value: object, least: int | None = None) -> int | None:
    """A whole number, `least` or more; None for true, false and all else."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        return None
    return value


def mapping_of(value: object) -> dict[str, Any]:
    """A mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings_in(value: object) -> list[dict[str, Any]]:
    """The mappings in a list; else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts_in(value: object, limit: int | None = None) -> tuple[str, ...]:
    """The texts in a list, cleaned; else none."""
    return (
        tuple(text_of(item, limit) for item in value if isinstance(item, str))
        if isinstance(value, list)
        else ()
    )
