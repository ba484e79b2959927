"""Whether a difference between two models is more than chance, and what that rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.analysis.bootstrap import CONFIDENCE
from core.analysis.boxes import Floats

LEAST_IMAGES = 5
"""On fewer images no verdict is given."""

LEVEL = 0.05
"""A difference is more than chance when its p is at most this."""

Verdict = Literal["differs", "chance", "too_few", "nothing"]


@dataclass(frozen=True)
class Interval:
    """A number of both models and the difference second - first, with its interval at `CONFIDENCE`.

    From a paired bootstrap over images (percentiles of `rounds` draws; Efron and Tibshirani, 1993). It
    rests on `images`; `p` is that of a test which is exact whatever their number (None on too few),
    `corrected` the same corrected for the others that were tested beside it. The interval holds 0 if and only
    if the test by itself does not exclude it. None is what there is nothing to measure of, and the ends where
    no two draws differ, which says nothing of the images that were not drawn.
    """

    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    rounds: int
    images: int
    p: float | None
    corrected: float | None

    @property
    def verdict(self) -> Verdict:
        """Follows the test alone."""
        if self.difference is None:
            return "nothing"
        if self.corrected is None:
            return "too_few"
        return "differs" if self.corrected <= LEVEL else "chance"

    @property
    def beyond_chance(self) -> bool:
        return self.verdict == "differs"

    @property
    def words(self) -> str:
        """`more than chance`, `may be chance`, `too few images (3) to tell`, or nothing."""
        return {
            "differs": "more than chance",
            "chance": "may be chance",
            "too_few": f"too few images ({self.images}) to tell",
            "nothing": "",
        }[self.verdict]


def interval(first: Floats, second: Floats, images: int, p: float | None) -> Interval:
    """From values (rounds + 1,) of both models, the first of all images; NaN rounds are left out.

    `p` is that of the test of their difference; it is dropped below `LEAST_IMAGES`.
    """
    if not len(first) or math.isnan(first[0]) or math.isnan(second[0]):
        return Interval(_number(first[:1]), _number(second[:1]), None, None, None, 0, images, None, None)
    change = second[1:] - first[1:]
    change = change[np.isfinite(change)]
    difference = float(second[0] - first[0])
    low, high = _ends(change)
    if images < LEAST_IMAGES:
        p = None
    if low is not None and high is not None and p is not None:
        if p > LEVEL:
            low, high = min(low, 0.0), max(high, 0.0)
        elif difference > 0:
            low = max(low, 0.0)
        else:
            high = min(high, 0.0)
    return Interval(float(first[0]), float(second[0]), difference, low, high, len(change), images, p, p)


def corrected(values: Sequence[Interval]) -> list[Interval]:
    """The same with p corrected for all of them that were tested (Holm 1979)."""
    found = list(values)
    places = [place for place, value in enumerate(values) if value.p is not None]
    places.sort(key=lambda place: values[place].p or 0.0)
    highest = 0.0
    for rank, place in enumerate(places):
        highest = max(highest, min(1.0, (values[place].p or 0.0) * (len(places) - rank)))
        found[place] = replace(values[place], corrected=highest)
    return found


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p of McNemar's test on pairs that differ: exact binomial, above 2000 pairs chi-square.

    McNemar (1947); the approximation has Edwards' correction for continuity.
    """
    pairs = fixed + broken
    if not pairs:
        return 1.0
    if pairs <= 2000:
        tail = sum(math.comb(pairs, k) for k in range(min(fixed, broken) + 1))
        return min(1.0, float(2 * tail / 2**pairs))
    statistic = max(abs(fixed - broken) - 1, 0) ** 2 / pairs
    return float(math.erfc(math.sqrt(statistic / 2)))


def class_verdicts(found: Sequence[Interval]) -> str:
    """How many of the classes differ, of how many tested and how, and how many have too few images."""
    tested = sum(value.corrected is not None for value in found)
    few = sum(value.verdict == "too_few" for value in found)
    rest = f"{few} on fewer than {LEAST_IMAGES} images: too few to tell" if few else ""
    if not tested:
        return rest or "no class to compare"
    differ = sum(value.beyond_chance for value in found)
    words = f"{differ} of {tested} classes differ by more than chance (p corrected for {tested}, Holm)"
    return f"{words}; {rest}" if rest else words


def _ends(change: Floats) -> tuple[float | None, float | None]:
    """The percentiles of differences (rounds,), None where they are all the same."""
    if not len(change) or np.ptp(change) == 0:
        return None, None
    edge = (1 - CONFIDENCE) / 2
    low, high = np.quantile(change, (edge, 1 - edge))
    return float(low), float(high)


def _number(value: Floats) -> float | None:
    return None if not len(value) or math.isnan(value[0]) else float(value[0])
