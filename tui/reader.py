"""Reads the workspace for the screens, off the UI thread: one frozen snapshot a poll."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.workspace import Workspace, config_files
from core.store.paths import RunPaths
from core.store.records import ACTIVE, Checkpoint, RunSummary
from core.text import clean

if TYPE_CHECKING:
    from core.store.catalogue import Catalogue
    from tui.chart.curves import Curves

SWEEP_INTERVAL = 30.0
ACTIVE_INTERVAL = 2.0
_CURVES_KEPT = 16


@dataclass(frozen=True)
class Detail:
    """What the screen of one run shows besides curves."""

    run: str
    checkpoints: tuple[Checkpoint, ...] = ()
    config: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    attempt: int = 0


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that widgets know. `loaded` is False until the runs were read once."""

    runs: tuple[RunSummary, ...] = ()
    configs: tuple[str, ...] = ()
    curves: Mapping[str, Curves] = field(default_factory=dict)
    detail: Detail | None = None
    busy_slots: int = 0
    slots: int = 0
    problem: str = ""
    loaded: bool = False

    def run(self, run_id: str | None) -> RunSummary | None:
        return next((run for run in self.runs if run.id == run_id), None)


EMPTY = Snapshot()


@dataclass(frozen=True)
class Wanted:
    """What is on the screen: runs whose curves are drawn, and the run that is open."""

    curves: frozenset[str] = frozenset()
    detail: str | None = None


class Reader:
    """Remembers offsets between polls. Used by one thread."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._catalogue: Catalogue | None = None
        self._runs: tuple[RunSummary, ...] = ()
        self._swept = self._looked = 0.0
        self._changed_size = -1
        self._tails: dict[str, _Tail] = {}
        self._log = _LogTail()
        self._last = EMPTY
        self._polls = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next poll: short after the first and while something trains."""
        if self._polls == 1:
            return 0.05
        return 0.5 if any(run.state in ACTIVE for run in self._runs) else 1.0

    def poll(self, wanted: Wanted) -> Snapshot | None:
        """The state of things, or None when nothing differs from the last answer.

        The first poll reads the list of runs only, so that it is on the screen before numpy is loaded.
        """
        self._polls += 1
        runs = self._read_runs()
        curves, busy, slots, detail = (
            self._last.curves,
            self._last.busy_slots,
            self._last.slots,
            self._last.detail,
        )
        if self._polls > 1:
            curves = self._read_curves(wanted)
            detail = self._read_detail(wanted.detail)
            busy, slots = _slots()
        snapshot = Snapshot(
            runs=runs,
            configs=tuple(clean(path.stem) for path in config_files(self.workspace)),
            curves=curves,
            detail=detail,
            busy_slots=busy,
            slots=slots,
            loaded=True,
        )
        if _same(snapshot, self._last):
            return None
        self._last = snapshot
        return snapshot

    def failed(self, error: BaseException) -> Snapshot:
        """The last snapshot with the reason why there is no newer one."""
        self._last = replace(self._last, problem=clean(f"{type(error).__name__}: {error}"))
        return self._last

    def _read_runs(self) -> tuple[RunSummary, ...]:
        """Runs, newest first: all of them when `runs/.changed` grew or every 30 s, running ones every 2 s."""
        from core.store.catalogue import Catalogue

        if self._catalogue is None:
            self._catalogue = Catalogue(self.workspace)
        now = time.monotonic()
        changed = _size(self.workspace.runs / ".changed")
        active = any(run.state in ACTIVE for run in self._runs)
        if (
            changed != self._changed_size
            or now - self._swept >= SWEEP_INTERVAL
            or (active and now - self._looked >= ACTIVE_INTERVAL)
        ):
            if changed != self._changed_size or now - self._swept >= SWEEP_INTERVAL:
                self._swept = now
            self._changed_size = changed
            self._looked = now
            self._runs = tuple(self._catalogue.refresh())
        return self._runs

    def _read_curves(self, wanted: Wanted) -> Mapping[str, Curves]:
        for run_id in wanted.curves:
            self._tails.setdefault(run_id, _Tail(RunPaths(self.workspace.runs / run_id)))
        while len(self._tails) > max(_CURVES_KEPT, len(wanted.curves)):
            self._tails.pop(next(run_id for run_id in self._tails if run_id not in wanted.curves))
        changed = [run_id for run_id in wanted.curves if self._tails[run_id].read()]
        if not changed and wanted.curves == set(self._last.curves):
            return self._last.curves
        return {run_id: self._tails[run_id].curves for run_id in wanted.curves}

    def _read_detail(self, run_id: str | None) -> Detail | None:
        if run_id is None:
            return None
        from core.store.checkpoints import list_checkpoints

        run = RunPaths(self.workspace.runs / run_id)
        old = self._last.detail if self._last.detail and self._last.detail.run == run_id else None
        checkpoints = tuple(list_checkpoints(run))
        config = old.config if old and old.config else _config_lines(run)
        name, log = self._log.read(run)
        if (
            old
            and checkpoints == old.checkpoints
            and config == old.config
            and (name, log) == (old.log_name, old.log)
        ):
            return old
        return Detail(run_id, checkpoints, config, log, name)


class _Tail:
    """One run's metrics file, read as it grows."""

    def __init__(self, run: RunPaths) -> None:
        from core.store.metrics import MetricsReader
        from tui.chart.curves import EMPTY as NO_CURVES
        from tui.chart.curves import CurveBuilder

        self._reader = MetricsReader(run.metrics)
        self._builder = CurveBuilder()
        self.curves = NO_CURVES

    def read(self) -> bool:
        """Take in what was written since; True when there was something."""
        if not self._reader.poll():
            return False
        self.curves = self._builder.update(self._reader.history)
        return True


class _LogTail:
    """The last part of the newest attempt's log, as lines."""

    def __init__(self) -> None:
        self._stamp: tuple[object, ...] = ()
        self._lines: tuple[str, ...] = ()

    def read(self, run: RunPaths) -> tuple[int, tuple[str, ...]]:
        """The number of the attempt (0: none yet) and its log."""
        from core.store.attempts import numbers
        from core.store.logs import tail_log

        attempt = max(numbers(run), default=0)
        if not attempt:
            return 0, ()
        try:
            status = run.attempt(attempt).log.stat()
        except OSError:
            return attempt, ()
        stamp = (run.id, attempt, status.st_size, status.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp = stamp
            self._lines = tuple(tail_log(run, attempt).rstrip("\n").split("\n"))
        return attempt, self._lines


def _config_lines(run: RunPaths) -> tuple[str, ...]:
    try:
        text = run.config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(clean(text, newlines=True).split("\n"))


def _slots() -> tuple[int, int]:
    from core.launch.slots import busy_slots

    taken = [busy for _, busy in busy_slots()]
    return sum(taken), len(taken)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _same(new: Snapshot, old: Snapshot) -> bool:
    return (
        (new.loaded, new.configs, new.busy_slots, new.slots, new.problem)
        == (old.loaded, old.configs, old.busy_slots, old.slots, old.problem)
        and new.curves is old.curves
        and new.detail is old.detail
        and (new.runs is old.runs or new.runs == old.runs)
    )
