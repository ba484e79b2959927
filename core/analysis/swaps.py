"""How often chance alone gives a difference as large: the two models' answers swapped, image by image.

If two models are alike, which of them gave which answer to an image is a toss-up, so every choice of images
whose answers change places is as likely as what was seen (a paired permutation test; Fisher 1935). That holds
for AP as a whole and in each class, however few images have it: what rests on one object is never rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.analysis.bootstrap import IOUS, Ranked, Weighing
from core.analysis.boxes import Flags, Floats

ENOUGH = 100
"""A test ends when so many swaps were as extreme (Besag and Clifford 1991): p is known to about a tenth."""
SWAPS, SWAPS_A_CLASS = 2000, 40
"""Or after so many; a class among others has to reach a smaller p, so its test goes on longer."""
_AT_ONCE = 100
# AP summed in another order differs by rounding.
_CLOSE = 1e-9


@dataclass(frozen=True)
class Swapped:
    """Two-sided p: of mAP over all IoUs and at IoU 0.5, and of each class (None where it is not tested)."""

    map: float
    map_50: float
    classes: tuple[float | None, ...]


class _Test:
    """Counts swaps that are as extreme as `observed`, until p is known."""

    def __init__(self, observed: float, most: int) -> None:
        self._least = abs(observed) - _CLOSE
        self._most = most
        self._extreme = self._swaps = 0
        self.p: float | None = None

    def add(self, values: Floats) -> None:
        if self.p is not None:
            return
        values = values[: self._most - self._swaps]
        extreme = np.cumsum(np.abs(values) >= self._least)
        if len(extreme) and self._extreme + extreme[-1] >= ENOUGH:
            last = int(np.searchsorted(extreme, ENOUGH - self._extreme)) + 1
            self.p = ENOUGH / (self._swaps + last)
            return
        self._extreme += int(extreme[-1]) if len(extreme) else 0
        self._swaps += len(values)
        if self._swaps >= self._most:
            self.p = (self._extreme + 1) / (self._swaps + 1)


def swap_tests(
    first: Sequence[Ranked], second: Sequence[Ranked], images: int, tested: Sequence[int], seed: int
) -> Swapped:
    """Test the difference in AP of two models' boxes of the same images, and of the classes `tested`."""
    random = np.random.default_rng(seed)
    pairs = [_Pair(one, other) for one, other in zip(first, second, strict=True)]
    there = [label for label, pair in enumerate(pairs) if pair.objects]
    seen = {label: pairs[label].differences(np.zeros((1, images), np.bool_))[0] for label in there}
    whole = np.mean([seen[label] for label in there], axis=0) if there else np.zeros(len(IOUS))
    means = _Test(float(whole.mean()), SWAPS), _Test(float(whole[0]), SWAPS)
    most = max(SWAPS, SWAPS_A_CLASS * len(tested))
    tests = {label: _Test(float(seen[label].mean()), most) for label in tested}
    while True:
        all_of_them = any(test.p is None for test in means)
        open_ones = there if all_of_them else [label for label in tested if tests[label].p is None]
        if not open_ones:
            break
        swaps = random.integers(0, 2, (_AT_ONCE, images), np.int8).astype(np.bool_)
        total = np.zeros((_AT_ONCE, len(IOUS)))
        for label in open_ones:
            found = pairs[label].differences(swaps)
            total += found
            if label in tests:
                tests[label].add(found.mean(axis=1))
        if all_of_them:
            means[0].add(total.mean(axis=1) / len(there))
            means[1].add(total[:, 0] / len(there))
    classes = tuple(tests[label].p if label in tests else None for label in range(len(pairs)))
    return Swapped(means[0].p or 1.0, means[1].p or 1.0, classes)


class _Pair:
    """The boxes of one class of both models in one ranking."""

    def __init__(self, first: Ranked, second: Ranked) -> None:
        images = np.concatenate((first.images, second.images))
        scores = np.concatenate((first.scores, second.scores))
        order = np.lexsort((images, -scores))
        self.objects = len(first.objects)
        self._images = images[order]
        self._second: Flags = order >= len(first.images)
        self._weighing = Weighing(
            np.concatenate((first.right, second.right), axis=1)[:, order],
            np.concatenate((first.ignored, second.ignored), axis=1)[:, order],
        )

    def differences(self, swaps: Flags) -> Floats:
        """Second - first in AP (rounds, thresholds) with the images in `swaps` (rounds, images) swapped."""
        found = np.empty((len(swaps), len(IOUS)))
        for rows in self._weighing.lots(len(swaps)):
            second = swaps[rows].T[self._images] ^ self._second[:, None]
            there = np.full(second.shape[1], float(self.objects))
            one, other = (self._weighing.ap(chosen.astype(np.float32), there) for chosen in (~second, second))
            found[rows] = (other - one).T
        return found
