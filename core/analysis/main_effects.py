"""Which settings of a study matter: the difference between its values, all else and the seed alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.analysis.boxes import Floats
from core.analysis.paired import bca_interval
from core.metrics import Mode, rank

MIN_BLOCKS = 6
"""Blocks below which nothing is said about chance: the test could not come out under .03."""
_DRAWS = 10_000


@dataclass(frozen=True)
class Result:
    """One value that was reached: the settings that vary (key to text), the seed, the metric."""

    levels: Mapping[str, str]
    seed: int
    value: float


@dataclass(frozen=True)
class LevelMean:
    """One value of a setting: its mean over the blocks, and its distance from the mean of all its values."""

    level: str
    mean: float
    effect: float


@dataclass(frozen=True)
class MainEffect:
    """What a setting does, over `blocks`: settings and seed that were tried with every value of it.

    `levels` are sorted, best first; `spread` is the mean of the first minus that of the last in absolute
    terms, `low` and `high` its 95 % interval over blocks (BCa; None below two blocks), `p` that of the spread
    when values are swapped at random within blocks (None below `MIN_BLOCKS`; after `corrected`, by Holm over
    the settings). `skipped` results had no partner for some value.
    """

    key: str
    levels: tuple[LevelMean, ...]
    blocks: int
    spread: float
    low: float | None
    high: float | None
    p: float | None
    skipped: int

    @property
    def decided(self) -> bool:
        """Whether the spread is more than chance at 5 %."""
        return self.p is not None and self.p <= 0.05


def main_effects(
    results: Sequence[Result], keys: Sequence[str], *, mode: Mode, seed: int = 0
) -> tuple[MainEffect, ...]:
    """The effect of every setting with at least two values and one whole block, largest spread first.

    A block design with complete blocks; the permutation test within blocks is exact in level (Good,
    Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005, chapter 6). p values are corrected by
    Holm's method over the settings.
    """
    effects = [effect for key in keys if (effect := _effect(results, key, keys, mode, seed)) is not None]
    judged = sorted(
        (effect for effect in effects if effect.p is not None), key=lambda effect: effect.p or 0.0
    )
    corrected: dict[str, float] = {}
    reached = 0.0
    for place, effect in enumerate(judged):
        reached = max(reached, min(1.0, (effect.p or 0.0) * (len(judged) - place)))
        corrected[effect.key] = reached
    effects = [MainEffect(**{**vars(effect), "p": corrected.get(effect.key)}) for effect in effects]
    return tuple(sorted(effects, key=lambda effect: -effect.spread))


def _effect(
    results: Sequence[Result], key: str, keys: Sequence[str], mode: Mode, seed: int
) -> MainEffect | None:
    levels = list(dict.fromkeys(result.levels.get(key, "") for result in results))
    if len(levels) < 2:
        return None
    others = [other for other in keys if other != key]
    blocks: dict[tuple[object, ...], dict[str, float]] = {}
    for result in results:
        block = (result.seed, *(result.levels.get(other, "") for other in others))
        blocks.setdefault(block, {})[result.levels.get(key, "")] = result.value
    whole = [[block[level] for level in levels] for block in blocks.values() if len(block) == len(levels)]
    if not whole:
        return None
    values = np.asarray(whole)
    means = values.mean(axis=0)
    order = np.argsort([-rank(float(mean), mode) for mean in means], kind="stable")
    best, worst = int(order[0]), int(order[-1])
    spread = float(abs(means[best] - means[worst]))
    signed = values[:, int(means.argmax())] - values[:, int(means.argmin())]
    interval = bca_interval(signed)
    return MainEffect(
        key=key,
        levels=tuple(
            LevelMean(levels[index], float(means[index]), float(means[index] - means.mean()))
            for index in order
        ),
        blocks=len(whole),
        spread=spread,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        p=_swapped(values, spread, seed) if len(whole) >= MIN_BLOCKS else None,
        skipped=len(results) - values.size,
    )


def _swapped(values: Floats, spread: float, seed: int) -> float:
    """How often values shuffled within blocks spread at least as far, the observed order counted."""
    draws = np.random.default_rng(seed)
    hits = 0
    for start in range(0, _DRAWS, 1000):
        count = min(1000, _DRAWS - start)
        order = draws.random((count, *values.shape)).argsort(axis=2)
        means = np.take_along_axis(np.broadcast_to(values, (count, *values.shape)), order, axis=2).mean(
            axis=1
        )
        hits += int((means.max(axis=1) - means.min(axis=1) >= spread - 1e-12).sum())
    return (hits + 1) / (_DRAWS + 1)
