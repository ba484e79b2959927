"""What readers of a run folder get: frozen records, free of file handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.metrics import Mode, as_mode, rank

State = Literal["queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE: frozenset[str] = frozenset({"queued", "starting", "running", "stopping"})
LOCKED_OUT = 75
ENDED: frozenset[str] = frozenset({"finished", "stopped", "failed", "lost"})


@dataclass(frozen=True)
class Request:
    """What was asked of a run: `requests/0001.json`.

    `start` is the checkpoint id to start from, or None for from scratch (request 1 of a new run).
    `total_epochs` is the epoch to end at, counted from the very first. With a `problem` the file is there but
    cannot be read, and both say nothing.
    """

    number: int
    start: str | None
    total_epochs: int
    time: float
    stop: bool = False
    kill: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Attempt:
    """One try at a request: `attempts/0001/`. Absent files leave their fields None or empty.

    `request` is 0 when `start.json` cannot be read. `status` is `finished`, `stopped` or empty; `error_type`
    and `error` are the trainer's last words; `code`, `signal` and `oom_kill` are the supervisor's. `gpu` is
    `{"index", "name", "bus_id", "uuid"}` when it had one; `early_stop` is `{"epoch", "best_epoch"}` when
    training ended before its goal because it no longer got better. `epoch` is the last whole one of a result.
    `problems` say which of the files are there but cannot be read.
    """

    number: int
    request: int
    started: float | None
    ended: float | None
    status: str
    exited: bool
    code: int | None
    signal: int | None
    oom_kill: bool
    error_type: str = ""
    error: str = ""
    error_epoch: int | None = None
    supervisor: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)
    slot: str = ""
    gpu: Mapping[str, Any] = field(default_factory=dict)
    early_stop: Mapping[str, int] | None = None
    epoch: int | None = None
    problems: tuple[str, ...] = ()

    @property
    def locked_out(self) -> bool:
        """It found another trainer at work and did nothing (exit code 75): it does not count."""
        return self.code == LOCKED_OUT and not self.status


@dataclass(frozen=True)
class DerivedState:
    """State of the newest request. `reason` is one sentence for queued, failed and lost, else empty.

    `attempt` is the newest attempt of that request (0: none yet). A running one has a reason only when
    something is odd about it (its supervisor has died).
    """

    state: State
    reason: str
    request: int
    attempt: int
    total_epochs: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint and its sidecar. `step` counts optimiser steps since the run began; `epoch` counts from 1.

    For `mid_epoch` ones, `epoch` is the epoch that was under way. `superseded`: a later attempt started from
    before this point, so the run's curve no longer goes through it. `for_best`: saved between those that
    `checkpoint.every` calls for, because it was the best so far.
    """

    id: str
    attempt: int
    epoch: int
    step: int
    file: Path
    bytes: int
    sha256: str
    metrics: Mapping[str, float]
    time: float
    mid_epoch: bool
    pinned: bool = False
    superseded: bool = False
    for_best: bool = False


@dataclass(frozen=True)
class Best:
    """The best epoch by the run's metric; `checkpoint` is None when none was kept of it.

    `id` is what its checkpoint is called, kept or not, as its measure rows and predictions are. `map_50` is
    that epoch's mAP at an IoU of 0.5, for detectors. `mode` says which way is better; where it is None, the
    metric's name does.
    """

    metric: str
    value: float
    epoch: int
    checkpoint: str | None
    map_50: float | None = None
    id: str = ""
    mode: Mode | None = None

    @property
    def rank(self) -> float:
        """Higher the better the value is."""
        return rank(self.value, as_mode(self.mode, self.metric))


@dataclass(frozen=True)
class RunSummary:
    """One line of the run list.

    `early_stop` is the epoch at which a finished run ended before its goal; `finished_at` that of one that
    was asked for more later and failed or was lost before it learned anything; `imported` runs were trained
    elsewhere and are read-only; `mode` is what is trained (full, head, split), empty in old runs. `problems`
    are sentences on files of the run that are missing or cannot be read, and what was shown in their place.
    """

    id: str
    name: str
    config: str
    model: str
    state: State
    reason: str
    epoch: int
    epochs: int
    best: Best | None
    parent: str | None
    created: float
    started: float | None
    ended: float | None
    metric: str
    last: Mapping[str, float] = field(default_factory=dict)
    seconds_per_epoch: float | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False
    imported: bool = False
    early_stop: int | None = None
    finished_at: int | None = None
    mode: str = ""
    problems: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name if it has one, else the config and the id's last part."""
        return self.name or f"{self.config}-{self.id.rsplit('-', 1)[-1]}"


Record = dict[str, Any]
