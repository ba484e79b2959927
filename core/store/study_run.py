"""One run of a study as its table sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["missing", "queued", "running", "finished", "short", "stopped", "failed", "lost"]


@dataclass(frozen=True)
class StudyRun:
    """One seed of a trial as it stands.

    `best`, `best_epoch`, `last` and `columns` (taken at the judged epoch) count epochs 1 to the study's last
    only, and are None before there are any. `short`: finished, but before the study's last epoch, which is
    what `early` says happened by itself. `images` stands for what was validated on: classes, files, objects.
    `minutes` is the time spent training those epochs.
    """

    trial: str
    seed: int
    status: Status
    id: str = ""
    reason: str = ""
    epoch: int = 0
    early: bool = False
    best: float | None = None
    best_epoch: int = 0
    last: float | None = None
    minutes: float = 0.0
    seconds_per_epoch: float | None = None
    columns: Mapping[str, float] = field(default_factory=dict)
    images: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)

    def value(self, judge: str) -> float | None:
        """The value that is judged: of the best epoch, or of the last."""
        return self.best if judge == "best" else self.last
