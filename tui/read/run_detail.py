"""What the screen of one run shows besides curves, read where something has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import UnreadableError
from core.reading import read_text
from core.store import jobs as job_files
from core.store import json_documents
from core.store.attempts import numbers
from core.store.checkpoints import list_checkpoints
from core.store.files import modified, peek_json
from core.store.jobs import JobState
from core.store.logs import tail_log
from core.store.measures import ROW_NAME, Measured, read_row
from core.store.paths import RunPaths
from core.store.records import ACTIVE, Checkpoint
from core.store.usage import Usage, run_usage
from core.text import clean

Stamp = tuple[object, ...]


@dataclass(frozen=True)
class Detail:
    """`rows` are measurements by file name without suffix, without their classes; `classes` are those of
    `row`. `unreadable` gives the reason by checkpoint; `model` is model.json or None.
    """

    run: str
    checkpoints: tuple[Checkpoint, ...] = ()
    config: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    attempt: int = 0
    rows: Mapping[str, Measured] = field(default_factory=dict)
    row: str = ""
    classes: tuple[Any, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[JobState, ...] = ()
    model: Mapping[str, Any] | None = None
    usage: Usage | None = None
    splits: tuple[str, ...] = ()


class DetailReader:
    """Reads one run; keeps what has not changed since. Used by one thread."""

    def __init__(self, run: RunPaths) -> None:
        self.run = run
        self._rows: dict[str, tuple[Stamp, Measured]] = {}
        self._ended: dict[str, JobState] = {}
        self._kept: dict[str, tuple[Stamp, Any]] = {}
        self._last = Detail(run.id)

    def read(self, row: str) -> Detail:
        """The run as it is; the same object when nothing differs. `row` names the measurement whose classes
        are wanted; empty: none.
        """
        run = self.run
        checkpoints = self._when_changed(
            "checkpoints", self._checkpoints_stamp, lambda: tuple(list_checkpoints(run))
        )
        rows = self._read_rows()
        attempt, log = self._read_log()
        jobs = self._read_jobs()
        chosen = row if row in rows else ""
        detail = Detail(
            run=run.id,
            checkpoints=checkpoints,
            config=self._when_changed("config", lambda: (modified(run.config),), lambda: _config_lines(run)),
            log=log,
            attempt=attempt,
            rows=rows,
            row=chosen,
            classes=self._read_classes(chosen) if chosen else (),
            unreadable=_unreadable(jobs),
            jobs=jobs,
            model=self._when_changed(
                "model", lambda: (modified(run.model),), lambda: json_documents.model_summary(run)
            ),
            usage=self._when_changed("usage", self._usage_stamp, lambda: run_usage(run)),
            splits=self._when_changed("splits", lambda: (modified(run.split),), lambda: _splits(run)),
        )
        if detail != self._last:
            self._last = detail
        return self._last

    def _when_changed(self, name: str, stamp: Callable[[], Stamp], read: Callable[[], Any]) -> Any:
        now = stamp()
        known = self._kept.get(name)
        if known is None or known[0] != now:
            known = self._kept[name] = now, read()
        return known[1]

    def _checkpoints_stamp(self) -> Stamp:
        run = self.run
        return tuple(map(modified, (run.checkpoints, run.requests, run.attempts, run.pins)))

    def _usage_stamp(self) -> Stamp:
        run = self.run
        return tuple(map(modified, (run.checkpoints, run.measures, run.predictions, run.jobs, run.tracking)))

    def _read_rows(self) -> Mapping[str, Measured]:
        def read() -> Mapping[str, Measured]:
            self._rows = {name: (stamp, row) for name, stamp, row in _rows(self.run, self._rows)}
            return {name: row for name, (_, row) in self._rows.items()}

        rows: Mapping[str, Measured] = self._when_changed(
            "rows", lambda: (modified(self.run.measures),), read
        )
        return rows

    def _read_classes(self, row: str) -> tuple[Any, ...]:
        file = self.run.measures / f"{row}.json"

        def read() -> tuple[Any, ...]:
            found = read_row(self.run, file.name)
            return () if found is None else found.per_class

        classes: tuple[Any, ...] = self._when_changed("classes", lambda: (row, modified(file)), read)
        return classes

    def _read_jobs(self) -> tuple[JobState, ...]:
        """All jobs, oldest first; those that have ended are read once."""
        if not modified(self.run.jobs):
            return ()
        found: list[JobState] = []
        for job in job_files.job_paths(self.run):
            name = job.root.name
            state = self._ended.get(name) or job_files.read_job(job)
            if state.state not in ACTIVE:
                # Its rows are in `measures`; what is asked for here are the faults.
                state = self._ended[name] = _light(state)
            found.append(state)
        return tuple(sorted(found, key=lambda state: (state.created, state.name)))

    def _read_log(self) -> tuple[int, tuple[str, ...]]:
        """The number of the newest attempt (0: none yet) and the last part of its log."""
        attempt = max(numbers(self.run), default=0)
        if not attempt:
            return 0, ()
        log = self.run.attempt(attempt).log

        def stamp() -> Stamp:
            try:
                status = log.stat()
            except OSError:
                return attempt, None
            return attempt, status.st_size, status.st_mtime_ns

        def read() -> tuple[str, ...]:
            return tuple(tail_log(self.run, attempt).rstrip("\n").split("\n"))

        return attempt, self._when_changed("log", stamp, read)


def _rows(run: RunPaths, known: Mapping[str, tuple[Stamp, Measured]]) -> list[tuple[str, Stamp, Measured]]:
    """Name, stamp and row of every measurement; files that stand still are not read again."""
    found: list[tuple[str, Stamp, Measured]] = []
    try:
        entries = [entry for entry in os.scandir(run.measures) if ROW_NAME.fullmatch(entry.name)]
    except OSError:
        return []
    for entry in sorted(entries, key=lambda entry: entry.name):
        try:
            status = entry.stat()
        except OSError:
            continue
        name, stamp = entry.name.removesuffix(".json"), (status.st_mtime_ns, status.st_size)
        if name in known and known[name][0] == stamp:
            found.append((name, stamp, known[name][1]))
        elif (row := read_row(run, entry.name)) is not None:
            found.append((name, stamp, replace(row, per_class=())))
    return found


def _light(job: JobState) -> JobState:
    kept = {key: job.result[key] for key in ("unreadable",) if key in job.result}
    rows = job.result.get("rows")
    measured = (
        [row.get("checkpoint") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    )
    return replace(job, result={**kept, "measured": measured}, asked={})


def _unreadable(jobs: tuple[JobState, ...]) -> Mapping[str, str]:
    """Checkpoints that a job could not read, unless a later one could, with the reason."""
    found: dict[str, str] = {}
    for job in jobs:
        for name in job.result.get("measured") or ():
            found.pop(str(name), None)
        faults = job.result.get("unreadable")
        for fault in faults if isinstance(faults, list) else ():
            if isinstance(fault, dict):
                found[str(fault.get("checkpoint"))] = clean(str(fault.get("reason") or "unreadable"))
    return found


def _config_lines(run: RunPaths) -> tuple[str, ...]:
    try:
        text = read_text(run.config)
    except UnreadableError as error:
        return (str(error),)
    return tuple(clean(text, newlines=True).split("\n"))


def _splits(run: RunPaths) -> tuple[str, ...]:
    """The names of the splits that the run has images of."""
    there = (peek_json(run.split, 1 << 28) or {}).get("splits")
    return tuple(clean(str(name)) for name in there) if isinstance(there, dict) else ()
