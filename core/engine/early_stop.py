"""When a run no longer gets better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.config.schema import EarlyStop
from core.metrics import Mode, is_better


class Patience:
    """Counts measured epochs that did not beat the best one by more than `min_delta`.

    `best` is the value they are held against: it moves only when it is beaten by that much, so that a slow
    rise counts in the end.
    """

    def __init__(self, settings: EarlyStop, mode: Mode) -> None:
        self._settings = settings
        self._mode = mode
        self.bad = 0
        self.best: float | None = None

    @property
    def spent(self) -> bool:
        """Whether training should end."""
        return self.bad >= self._settings.patience

    def see(self, value: float) -> None:
        """Judge one measured epoch; a value that is not finite is none better."""
        if is_better(value, self.best, self._mode, self._settings.min_delta):
            self.best, self.bad = value, 0
        else:
            self.bad += 1

    def renew(self) -> None:
        """Let as many epochs pass as at the start."""
        self.bad = 0

    def as_dict(self) -> dict[str, Any]:
        return {"bad": self.bad, "best": self.best}

    def load(self, stored: Mapping[str, Any]) -> None:
        best = stored["best"]
        self.bad, self.best = int(stored["bad"]), None if best is None else float(best)
