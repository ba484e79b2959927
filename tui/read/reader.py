"""Reads the workspace for the screens, off the UI thread: one frozen snapshot a poll."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.workspace import Workspace, config_files
from core.errors import LabError
from core.store.files import modified
from core.text import clean
from tui import crash
from tui.read.outlook_reader import NO_ADVICE, Advice, OutlookReader

if TYPE_CHECKING:
    from core.launch.slots import GpuStatus
    from core.store.catalogue import Catalogue
    from core.store.history import History
    from core.store.jobs import JobState
    from core.store.metrics import MetricsReader
    from core.store.paths import RunPaths
    from core.store.records import RunSummary
    from tui.read.activity import Watch
    from tui.read.curves import Curves
    from tui.read.run_detail import Detail, DetailReader

SWEEP_INTERVAL = 30.0
ACTIVE_INTERVAL = 1.0
FIRST_LOOK = 0.4
"""Seconds that one look at the runs may take before something is shown."""
_CURVES_KEPT = 16


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that widgets know. `loaded` is False until the runs were read once."""

    runs: tuple[RunSummary, ...] = ()
    configs: tuple[str, ...] = ()
    curves: Mapping[str, Curves] = field(default_factory=dict)
    detail: Detail | None = None
    advice: Advice = NO_ADVICE
    busy_slots: int = 0
    slots: int = 0
    gpus: tuple[GpuStatus, ...] = ()
    jobs: tuple[JobState, ...] = ()
    problem: str = ""
    loaded: bool = False

    def run(self, run_id: str | None) -> RunSummary | None:
        return next((run for run in self.runs if run.id == run_id), None)


EMPTY = Snapshot()


@dataclass(frozen=True)
class Wanted:
    """What is on the screen: runs whose curves are drawn, the run that is open and the measurement of it.

    `outlook` is the run of which is said whether to train it on.
    """

    curves: frozenset[str] = frozenset()
    detail: str | None = None
    row: str = ""
    outlook: str = ""


class Reader:
    """Remembers offsets between polls. Used by one thread."""

    def __init__(self, workspace: Workspace, watch: Watch | None = None) -> None:
        """`watch` looks at GPUs, jobs and the queue; without one, nothing is said of them."""
        self.workspace = workspace
        self._watch = watch
        self._metrics = _MetricsReaders(workspace.runs)
        self._list = _RunList(workspace, self._metrics)
        self._tails: dict[str, _Tail] = {}
        self._detail: DetailReader | None = None
        self._outlook = OutlookReader()
        self._explained: tuple[tuple[RunSummary, ...], Mapping[str, str], tuple[RunSummary, ...]] = (
            (),
            {},
            (),
        )
        self._faults: list[str] = []
        self._last = EMPTY
        self._polls = 0

    @property
    def pause(self) -> float:
        """Seconds to wait before the next poll: short at the start, longer when nothing trains."""
        if self._polls == 1 or not self._list.complete:
            return 0.05
        return 0.5 if self._list.active else 1.0

    def poll(self, wanted: Wanted) -> Snapshot | None:
        """The state of things, or None when nothing differs from the last answer.

        The first poll reads the list of runs only, so that it is on the screen before numpy is loaded.
        """
        self._polls += 1
        self._faults.clear()
        last = self._last
        snapshot = replace(
            last,
            runs=self._list.read(),
            configs=tuple(clean(path.stem) for path in config_files(self.workspace)),
            problem="",
            loaded=True,
        )
        if self._polls > 1:
            busy, slots = _cpu_slots()
            curves = self._read_curves(wanted.curves, wanted.outlook)
            snapshot = replace(
                self._with_activity(snapshot),
                curves=curves,
                advice=self._read_advice(wanted.outlook, snapshot, drawn=curves is last.curves),
                detail=self._read_detail(wanted.detail, wanted.row),
                busy_slots=busy,
                slots=slots,
            )
            if self._faults:
                snapshot = replace(snapshot, problem=self._faults[0])
        if _same(snapshot, last):
            return None
        self._last = snapshot
        return snapshot

    def failed(self, error: BaseException) -> Snapshot | None:
        """The last snapshot with the reason why there is no newer one; None when that was said already."""
        problem = clean(str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}")
        if problem == self._last.problem:
            return None
        self._last = replace(self._last, problem=problem)
        return self._last

    def close(self) -> None:
        """Keep what was learned about ended runs for the next start; stop looking around."""
        if self._watch is not None:
            self._watch.stop()
        self._list.close()

    def _with_activity(self, snapshot: Snapshot) -> Snapshot:
        """`snapshot` with GPUs and jobs, and queued runs saying why they wait."""
        if self._watch is None:
            return snapshot
        self._watch.queued = tuple(run.id for run in snapshot.runs if run.state == "queued")
        self._watch.start()
        seen = self._watch.latest
        runs, reasons = snapshot.runs, seen.reasons
        if reasons and (runs is not self._explained[0] or reasons != self._explained[1]):
            self._explained = runs, reasons, tuple(_explained(run, reasons) for run in runs)
        return replace(snapshot, runs=self._explained[2] if reasons else runs, gpus=seen.gpus, jobs=seen.jobs)

    def _read_curves(self, wanted: frozenset[str], outlook: str) -> Mapping[str, Curves]:
        """Curves of the runs `wanted`; the epochs of `outlook` are read, too."""
        from core.store.paths import RunPaths

        runs_folder = self.workspace.runs
        followed = wanted | {outlook} if outlook else wanted
        for run_id in followed:
            if run_id not in self._tails:
                reader = self._metrics.of(run_id, steps=True)
                self._tails[run_id] = _Tail(RunPaths(runs_folder / run_id), reader)
        while len(self._tails) > max(_CURVES_KEPT, len(followed)):
            oldest = next(run_id for run_id in self._tails if run_id not in followed)
            del self._tails[oldest]
            self._metrics.drop(oldest)
        changed = {run_id for run_id in followed if self._read_tail(run_id)}
        if not changed & wanted and wanted == set(self._last.curves):
            return self._last.curves
        return {run_id: self._tails[run_id].curves for run_id in wanted}

    def _read_tail(self, run_id: str) -> bool:
        """What goes wrong with one run's curves leaves them as they are, and the other runs' alone."""
        try:
            return self._tails[run_id].read(self._list.known(run_id))
        except Exception as error:
            self._fault(run_id, error)
            return False

    def _fault(self, run_id: str, error: Exception) -> None:
        said = clean(f"{run_id}: {type(error).__name__}: {error}")
        if said != self._last.problem:
            crash.report(error)
        self._faults.append(said)

    def _read_advice(self, run_id: str, snapshot: Snapshot, *, drawn: bool) -> Advice:
        """What is said of a run, a turn after its curves: they do not wait for what this has to load."""
        summary = snapshot.run(run_id)
        if not drawn or summary is None:
            return self._last.advice if self._last.advice.run == run_id else NO_ADVICE
        tail = self._tails[run_id]
        try:
            return self._outlook.read(tail.run, summary, tail.history)
        except Exception as error:
            self._fault(run_id, error)
            return NO_ADVICE

    def _read_detail(self, run_id: str | None, row: str) -> Detail | None:
        from core.store.paths import RunPaths
        from tui.read.run_detail import DetailReader

        if run_id is None:
            return None
        if self._detail is None or self._detail.run.id != run_id:
            self._detail = DetailReader(RunPaths(self.workspace.runs / run_id))
        try:
            return self._detail.read(row)
        except Exception as error:
            # The open run may be removed or damaged; the list goes on, and says so.
            self._fault(run_id, error)
            return None


class _MetricsReaders:
    """One reader a run, for its line in the list and for its curves: a file is read once as it grows."""

    def __init__(self, runs_folder: Path) -> None:
        self._runs_folder = runs_folder
        self._readers: dict[str, tuple[bool, MetricsReader]] = {}

    def of(self, run_id: str, *, steps: bool) -> MetricsReader:
        """The reader of a run; one that takes in single steps as well where `steps` are needed, too."""
        from core.store.metrics import MetricsReader
        from core.store.paths import RunPaths

        has_steps, reader = self._readers.get(run_id, (False, None))
        if reader is None or (steps and not has_steps):
            reader = MetricsReader(RunPaths(self._runs_folder / run_id).metrics, steps=steps)
            self._readers[run_id] = steps, reader
        return reader

    def drop(self, run_id: str) -> None:
        """Forget what was read of a run."""
        self._readers.pop(run_id, None)


class _RunList:
    """Summaries of all runs: looked at anew where something happened, all of them every 30 s."""

    def __init__(self, workspace: Workspace, metrics: _MetricsReaders) -> None:
        self._runs_folder = workspace.runs
        self._workspace = workspace
        self._catalogue: Catalogue | None = None
        self._summaries: dict[str, RunSummary] = {}
        self._runs: tuple[RunSummary, ...] = ()
        self._metrics = metrics
        self._stamp: tuple[int, int] | None = None
        self._swept = self._looked = 0.0

    @property
    def complete(self) -> bool:
        return self._catalogue is not None and self._catalogue.complete

    @property
    def active(self) -> bool:
        from core.store.records import ACTIVE

        return any(run.state in ACTIVE for run in self._summaries.values())

    def read(self) -> tuple[RunSummary, ...]:
        """Newest first. At the start as many as a fraction of a second allows, the rest on the next calls."""
        from core.store.catalogue import Catalogue

        if self._catalogue is None:
            self._catalogue = Catalogue(self._workspace)
        now = time.monotonic()
        # Every mutation appends to `.changed`; a run folder that came or went moves the folder's time.
        stamp = (_size(self._runs_folder / ".changed"), modified(self._runs_folder))
        if stamp != self._stamp or not self.complete or now - self._swept >= SWEEP_INTERVAL:
            self._stamp, self._swept, self._looked = stamp, now, now
            found = self._catalogue.refresh(FIRST_LOOK)
            before, self._summaries = self._summaries, {run.id: run for run in found}
            for run_id in before.keys() - self._summaries.keys():
                self._metrics.drop(run_id)
        elif self.active and now - self._looked >= ACTIVE_INTERVAL:
            self._looked = now
            self._look_at_active()
        runs = tuple(self._summaries.values())
        if runs != self._runs:
            self._runs = runs
        return self._runs

    def known(self, run_id: str) -> RunSummary | None:
        """The line of a run as it was seen last."""
        return self._summaries.get(run_id)

    def close(self) -> None:
        if self._catalogue is not None:
            self._catalogue.save()

    def _look_at_active(self) -> None:
        from core.store.catalogue import summarise
        from core.store.paths import RunPaths
        from core.store.records import ACTIVE

        for run_id, known in self._summaries.items():
            if known.state in ACTIVE:
                run = RunPaths(self._runs_folder / run_id)
                self._summaries[run_id] = summarise(run, self._metrics.of(run_id, steps=False))


class _Tail:
    """One run's metrics file, read as it grows, and what was measured beside it."""

    def __init__(self, run: RunPaths, reader: MetricsReader) -> None:
        from tui.read.curves import EMPTY as NO_CURVES
        from tui.read.curves import CurveBuilder
        from tui.read.train_measures import MeasuredReader

        self.run = run
        self._restored = -1
        self._measured = MeasuredReader(run)
        self._reader = reader
        self._drawn: tuple[History | None, int] = None, 0
        self._builder = CurveBuilder()
        self.curves = NO_CURVES

    @property
    def history(self) -> History:
        return self._reader.history

    def read(self, run: RunSummary | None = None) -> bool:
        """Take in what was written since; True when there was something.

        What the file of a `run` that has ended lacks is put back, where the list found that something does.
        """
        self._reader.poll()
        measured = self._measured.read()
        if run is not None and run.problems and run.ended is not None:
            from core.store.restore import restore

            before = self._reader.history.version
            if before != self._restored:
                restore(self.run, self._reader.history, run.epochs, run.epoch)
                self._restored = self._reader.history.version
        # Not what this poll has read: the list may have polled before.
        drawn = self._reader.history, self._reader.history.version
        if drawn[0] is self._drawn[0] and drawn[1] == self._drawn[1] and not measured:
            return False
        self._drawn = drawn
        self.curves = self._builder.update(self._reader.history, self._measured.points)
        return True


def _explained(run: RunSummary, reasons: Mapping[str, str]) -> RunSummary:
    if run.state != "queued" or run.id not in reasons:
        return run
    return replace(run, reason=reasons[run.id])


def _cpu_slots() -> tuple[int, int]:
    """How many CPU slots are taken, and how many there are."""
    from core.launch.slots import cpu_slots
    from core.store.locks import is_held

    taken = [is_held(slot.path) for slot in cpu_slots()]
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
        and (new.gpus, new.jobs) == (old.gpus, old.jobs)
        and new.curves is old.curves
        and new.detail is old.detail
        and new.advice == old.advice
        and (new.runs is old.runs or new.runs == old.runs)
    )
