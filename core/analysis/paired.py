"""Is A better than B, from pairs that share all but what is compared (seeds): interval and test together.

The protocol for few pairs: a BCa bootstrap interval of the mean difference (Efron 1987) and a sign-flip
permutation test (Fisher 1935) must agree. What is drawn is drawn from a fixed seed: the same differences give
the same verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from core.analysis.boxes import Floats

LEVEL = 0.05
"""How often a verdict may be false where there is no difference, both directions together."""
POWER = 0.8
ENUMERATED = 16
"""Up to so many differences that are not 0 every choice of signs is looked at."""
FLIPS = 99_999
RESAMPLES = 9_999
MOST_NEEDED = 1000
"""Estimates of pairs that are needed end here: beyond, the difference is too small to be found."""
_SEED = 0
_AT_ONCE = 1_000_000
# Sums of the same differences in another order differ by rounding: what is that close is as extreme.
_CLOSE = 1e-9
_NORMAL = NormalDist()

Outcome = Literal["more", "less", "undecided", "too_few"]


@dataclass(frozen=True)
class SignFlip:
    """Two-sided p of the mean of differences; `exact`: of all choices of signs, else of `flips` drawn."""

    p: float
    exact: bool
    flips: int


@dataclass(frozen=True)
class Verdict:
    """What `pairs` differences (first - second) tell.

    `outcome`: the mean is surely `more` or `less` than 0; `undecided`; `too_few` pairs to tell anything.
    `deviation` is the standard deviation (n - 1), None below two pairs; `low`, `high` the BCa interval at
    1 - `level`, None where there is too little, or no spread, for one. `level` is what p has to reach at this
    look, `looks` the numbers of pairs at which the plan looks (empty: one look, at these pairs). `needed` is
    about how many more pairs would decide it with a chance of `POWER` were the difference as large as it
    seems, None when decided; `MOST_NEEDED` stands for "more than that".
    """

    pairs: int
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None
    test: SignFlip | None
    level: float
    looks: tuple[int, ...]
    outcome: Outcome
    needed: int | None

    @property
    def decided(self) -> bool:
        return self.outcome in ("more", "less")


def least_pairs(level: float = LEVEL) -> int:
    """With fewer pairs the test cannot reach `level`, whatever they are: its p is never below 2 / 2**n."""
    return math.ceil(1 - math.log2(level) - 1e-12)


def planned_looks(at_most: int, level: float = LEVEL) -> tuple[int, ...]:
    """At how many pairs to look when pairs are added one by one up to `at_most`.

    Looks share `level` evenly (Bonferroni), so they begin where a share can be reached by the test. Empty
    when `at_most` pairs are too few for any.
    """
    for first in range(least_pairs(level), at_most + 1):
        if first >= least_pairs(level / (at_most - first + 1)):
            return tuple(range(first, at_most + 1))
    return ()


def paired_verdict(
    differences: Sequence[float], *, at_most: int | None = None, level: float = LEVEL
) -> Verdict:
    """What differences first - second of pairs tell; with `at_most` pairs are added until that many.

    Claimed only where the interval leaves 0 out and the sign-flip test reaches the level. Under `at_most`
    each of `planned_looks` has its share of the level, so that over all looks a false verdict is as rare as
    with one; at numbers of pairs that are no planned look nothing is decided.
    Raises ValueError for differences that are not finite, and for more than `at_most`.
    """
    values = np.asarray(differences, np.float64).reshape(-1)
    pairs = len(values)
    if not np.isfinite(values).all():
        raise ValueError("every difference must be a finite number")
    if at_most is not None and pairs > at_most:
        raise ValueError(f"{pairs} pairs are more than the {at_most} that were planned")
    looks = () if at_most is None else planned_looks(at_most, level)
    share = level / max(len(looks), 1)
    least = looks[0] if looks else least_pairs(share)
    mean = float(values.mean()) if pairs else None
    deviation = float(values.std(ddof=1)) if pairs > 1 else None
    span = bca_interval(values, confidence=1 - share)
    test = sign_flip(values) if pairs else None
    outcome: Outcome = "too_few" if pairs < least else "undecided"
    if outcome == "undecided" and span is not None and test is not None and test.p <= share:
        outcome = "more" if span[0] > 0 else "less" if span[1] < 0 else "undecided"
    needed = None if outcome in ("more", "less") else _needed(pairs, mean, deviation, share, least)
    low, high = span if span is not None else (None, None)
    return Verdict(pairs, mean, deviation, low, high, test, share, looks, outcome, needed)


def sign_flip(differences: Sequence[float] | Floats, *, flips: int = FLIPS) -> SignFlip:
    """Test that differences (n,) lie evenly about 0: how often signs by chance give a mean as far off.

    All 2**n choices up to `ENUMERATED` differences that are not 0; beyond, `flips` random ones and the
    observed one (Phipson and Smyth 2010), which is valid too.
    """
    values = np.abs(np.asarray(differences, np.float64))
    observed = abs(float(np.sum(differences)))
    values = values[values > 0]
    least = observed - _CLOSE * float(values.sum())
    if not len(values):
        return SignFlip(1.0, True, 1)
    if len(values) <= ENUMERATED:
        # The first sign is fixed: the other half are the same sums negated.
        sums = np.array([values[0]])
        for value in values[1:]:
            sums = np.concatenate((sums + value, sums - value))
        return SignFlip(float((np.abs(sums) >= least).mean()), True, 2 * len(sums))
    random, extreme, left = np.random.default_rng(_SEED), 0, flips
    # Of several differences of one size only the number that is positive matters.
    sizes, counts = np.unique(values, return_counts=True)
    while left:
        rows = min(left, max(_AT_ONCE // len(sizes), 1))
        balance = 2 * random.binomial(counts, 0.5, (rows, len(sizes))) - counts
        extreme += int((np.abs(balance @ sizes) >= least).sum())
        left -= rows
    return SignFlip((extreme + 1) / (flips + 1), False, flips)


def bca_interval(
    values: Sequence[float] | Floats, *, confidence: float = 1 - LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """Bias-corrected and accelerated bootstrap interval of the mean; None below two values or without spread.

    Efron (1987), the acceleration from the jackknife.
    """
    data = np.asarray(values, np.float64)
    if len(data) < 2 or np.ptp(data) <= _CLOSE * np.abs(data).max():
        return None
    drawn = data[np.random.default_rng(_SEED).integers(0, len(data), (resamples, len(data)))].mean(axis=1)
    return bca_from(drawn, float(data.mean()), (data.sum() - data) / (len(data) - 1), confidence)


def bca_from(drawn: Floats, observed: float, jackknife: Floats, confidence: float) -> tuple[float, float]:
    """The BCa interval from a statistic's bootstrap values (b,), its value, its leave-one-out values (n,)."""
    below = (np.count_nonzero(drawn < observed) + np.count_nonzero(drawn <= observed)) / (2 * len(drawn))
    # All on one side leaves the correction infinite: half a draw is the least that can be said.
    shift = _NORMAL.inv_cdf(float(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    apart = jackknife.mean() - jackknife
    spread = float((apart**2).sum())
    skew = float((apart**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    edges = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = shift + _NORMAL.inv_cdf(tail)
        bend = 1 - skew * z
        edges.append(_NORMAL.cdf(shift + z / bend) if bend > 0 else float(z > 0))
    low, high = np.quantile(drawn, edges)
    return float(low), float(high)


def _needed(pairs: int, mean: float | None, deviation: float | None, level: float, least: int) -> int:
    """Pairs still needed: of a t test at `level` with `POWER` (Guenther 1981), never fewer than `least`."""
    if mean is None or deviation is None:
        return least - pairs
    if not mean:
        return MOST_NEEDED
    z, power = _NORMAL.inv_cdf(1 - level / 2), _NORMAL.inv_cdf(POWER)
    total = ((z + power) * deviation / mean) ** 2 + z * z / 2
    return MOST_NEEDED if total - pairs > MOST_NEEDED else max(math.ceil(total), least, pairs + 1) - pairs
