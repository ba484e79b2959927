"""What was measured of the training images after an epoch, as points of the run's curves."""

from __future__ import annotations

import os
from collections.abc import Mapping

from core.store.checkpoints import CHECKPOINT_ID
from core.store.files import modified
from core.store.measures import read_row
from core.store.paths import RunPaths

Place = tuple[int, int]
"""Attempt and epoch."""
Points = Mapping[Place, Mapping[str, float]]
_TRAIN = "-train.json"


class MeasuredReader:
    """Reads the rows of the train split, each file once as long as it stands still. Used by one thread."""

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        self._stamp = 0
        self._known: dict[str, tuple[int, Mapping[str, float]]] = {}
        self.points: Points = {}

    def read(self) -> bool:
        """Take in what is new; True when there was something.

        Metrics are called `train/map` and so on. Rows of other data or settings, and of checkpoints within an
        epoch, are left out.
        """
        stamp = modified(str(self._run.measures))
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        known: dict[str, tuple[int, Mapping[str, float]]] = {}
        points: dict[Place, Mapping[str, float]] = {}
        for name in self._names():
            match = CHECKPOINT_ID.fullmatch(name.removesuffix(_TRAIN))
            if match is None or match[3]:
                continue
            own = modified(str(self._run.measures / name))
            if name not in self._known or self._known[name][0] != own:
                row = read_row(self._run, name)
                metrics = {} if row is None else row.metrics
                self._known[name] = own, {f"train/{key}": value for key, value in metrics.items()}
            known[name] = self._known[name]
            points[int(match[1]), int(match[2])] = known[name][1]
        self._known = known
        if points == self.points:
            return False
        self.points = points
        return True

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._run.measures) if name.endswith(_TRAIN))
        except OSError:
            return []
