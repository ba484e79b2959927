"""Reads a study for its screen, off the UI thread: the file, its runs, the table, curves over seeds."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.study_view import StudyView, open_study, runs_of, table_of
from core.config.workspace import Workspace
from core.errors import LabError
from core.launch.study import StudyRuns
from core.store.locks import is_held
from core.store.study_plans import driver_lock

if TYPE_CHECKING:
    from core.analysis.study_table import Cell
    from core.config.study import Study
    from core.store.study_plans import Plan
    from core.store.study_run import StudyRun
    from tui.read.bands import Band

_SWEEP, _SHARE = 30.0, 0.02
"""Seconds after which the file is read again even where none seems to have changed: a base lies anywhere.

Later for large studies, so that it takes no more than this share of the time.
"""


@dataclass(frozen=True, eq=False)
class StudySnapshot:
    """`bands` are curves by trial, of those that are wanted; `driven` are pairs that get seeds at the moment.

    `problem` says what is wrong with the file; `view` is then the last that was right, or None.
    """

    view: StudyView | None = None
    bands: Mapping[str, Band] = field(default_factory=dict)
    driven: tuple[Plan, ...] = ()
    problem: str = ""


EMPTY = StudySnapshot()


class StudyReader:
    """Remembers what it has read between polls. Used by one thread."""

    def __init__(self, workspace: Workspace, path: Path) -> None:
        self._workspace = workspace
        self._path = path
        self._finder = StudyRuns(workspace)
        self._stamp: object = None
        self._opened = 0.0
        self._pause = _SWEEP
        self._study: Study | None = None
        self._plans: tuple[Plan, ...] = ()
        self._added: frozenset[tuple[str, int]] = frozenset()
        self._runs: tuple[StudyRun, ...] = ()
        self._bands: dict[str, tuple[object, Band | None]] = {}
        self._last = EMPTY

    def poll(self, wanted: frozenset[str]) -> StudySnapshot | None:
        """The study as it stands, with the curves of the trials `wanted`; None when nothing differs."""
        last = self._last
        anew, problem = self._open()
        view = last.view
        if self._study is not None:
            runs = runs_of(self._study, self._added, self._finder)
            if anew or runs != self._runs or view is None:
                self._runs = runs
                table = table_of(self._study, self._plans, runs)
                view = StudyView(self._study, self._plans, runs, table)
        bands = self._read_bands(view, wanted)
        driven = tuple(
            plan for plan in self._plans if is_held(driver_lock(self._workspace, self._path.stem, plan.pair))
        )
        same = view is last.view and driven == last.driven and problem == last.problem
        if same and bands.keys() == last.bands.keys() and all(bands[k] is last.bands[k] for k in bands):
            return None
        self._last = StudySnapshot(view, bands, driven, problem)
        return self._last

    def _open(self) -> tuple[bool, str]:
        """Read the file when it, a config or a plan has changed; whether that was so, and its problems."""
        stamp, now = self._stamps(), time.monotonic()
        if stamp == self._stamp and now - self._opened < self._pause:
            return False, self._last.problem
        self._stamp, self._opened = stamp, now
        try:
            study, plans, added = open_study(self._path, self._workspace, most=None)
        except LabError as error:
            return False, str(error)
        finally:
            self._pause = max(_SWEEP, (time.monotonic() - now) / _SHARE)
        if (study, plans, added) == (self._study, self._plans, self._added):
            return False, ""
        self._study, self._plans, self._added = study, plans, added
        return True, ""

    def _stamps(self) -> object:
        configs = self._workspace.configs
        files = [self._path, self._workspace.runs / ".studies" / f"{self._path.stem}.json"]
        for folder in (configs, configs / "data"):
            files += sorted(folder.glob("*.y*ml"))
        return [_stamp(file) for file in files]

    def _read_bands(self, view: StudyView | None, wanted: frozenset[str]) -> dict[str, Band]:
        from tui.read.bands import band

        if view is None:
            return {}
        bands: dict[str, Band] = {}
        for cell in view.table.cells:
            if cell.trial not in wanted:
                continue
            runs = drawn(cell)
            stamp = view.study.metric, [(run.id, run.epoch) for run in runs]
            if cell.trial not in self._bands or self._bands[cell.trial][0] != stamp:
                rows = [self._finder.history(run.id).epochs for run in runs]
                self._bands[cell.trial] = stamp, band(rows, view.study.metric, view.study.epochs)
            made = self._bands[cell.trial][1]
            if made is not None:
                bands[cell.trial] = made
        return bands


def drawn(cell: Cell) -> list[StudyRun]:
    """The runs that a curve of the trial is of: those that count, else all that have an epoch."""
    return list(cell.counted) or [run for run in cell.runs if run.id and run.epoch]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size
