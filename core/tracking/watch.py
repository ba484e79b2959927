"""Starts a worker for each tracker and sees to it that none outlives its attempt or eats the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil

from core.store import files
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
from core.tracking import wanted
from core.tracking.about import log_section
from core.tracking.ending import Ending
from core.tracking.journal import LOG, Journal
from core.tracking.worker import EXIT_DONE, EXIT_FAILED, EXIT_OFFLINE

NICENESS = 19
DRAIN_LIMIT = 300.0
DRAIN_RATE = 100e3
MEMORY_LIMIT = 1 << 30
_LOOK_EVERY = 1.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class _Worker:
    tracker: str
    process: subprocess.Popen[bytes]
    journal: Journal
    offline: bool = False


def watch(run: RunPaths, attempt: int) -> int:
    """Run the attempt's trackers to their end, at the lowest priority; returns an exit status.

    A worker that takes more than MEMORY_LIMIT bytes, or is still at work `drain_limit` seconds after the
    attempt's end, is killed. When the run's folder is removed, all end at once.
    """
    trackers = wanted(log_section(run))
    if not trackers:
        return 0
    journal = Journal(run, attempt, "tracking")
    os.nice(NICENESS)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        files.make_dir(run.tracking, exist_ok=True)
        output = os.open(run.tracking / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        journal.tell(f"{run.tracking} cannot be written ({error.strerror}), so no copy is made")
        return 1
    # Attempts may follow each other faster than a tracker ends.
    lock = acquire(run_lock_path(run, "track"), timeout=drain_limit(run) + 30.0)
    if lock is None:
        journal.tell("the trackers of an earlier attempt are still running, so this one is not copied")
        return 1
    workers = [_start(run, attempt, tracker, output) for tracker in trackers]
    try:
        return _watch(run, attempt, workers, output)
    finally:
        left = _tree(os.getpid())[1:]
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=5.0)
        lock.release()


def drain_limit(run: RunPaths) -> float:
    """Seconds after an attempt's end within which its trackers must end: the more metrics, the longer."""
    try:
        return DRAIN_LIMIT + run.metrics.stat().st_size / DRAIN_RATE
    except OSError:
        return DRAIN_LIMIT


def _watch(run: RunPaths, attempt: int, workers: list[_Worker], output: int) -> int:
    ending = Ending(run, attempt)
    ended_at: float | None = None
    status = 0
    while workers:
        for worker in list(workers):
            code = worker.process.poll()
            if code == EXIT_OFFLINE and not worker.offline:
                workers.append(_start(run, attempt, worker.tracker, output, offline=True))
            elif code is None and not (reason := _excess(worker)):
                continue
            elif code is None:
                worker.journal.tell(f"{reason}: it was ended, and no longer copies the metrics")
                _kill(worker)
                status = 1
            elif code < 0:
                name = signal.Signals(-code).name
                worker.journal.tell(f"killed by {name}: no longer copies the metrics")
                status = 1
            else:
                if code not in (EXIT_DONE, EXIT_FAILED, EXIT_OFFLINE):
                    worker.journal.tell(f"ended with exit code {code}: no longer copies the metrics")
                status = status or code
            workers.remove(worker)
        if ending.is_gone():
            for worker in workers:
                _kill(worker)
            return 1
        if ended_at is None and ending.seen():
            ended_at = time.monotonic()
        if ended_at is not None and time.monotonic() - ended_at > drain_limit(run):
            for worker in workers:
                worker.journal.tell(
                    f"not done {drain_limit(run):.0f} s after the attempt's end: it was ended"
                )
                _kill(worker)
            return 1
        _wait(workers)
    return status


def _wait(workers: list[_Worker]) -> None:
    """Sleep for _LOOK_EVERY seconds, or until a worker ends."""
    descriptors = []
    try:
        for worker in workers:
            with contextlib.suppress(OSError):
                descriptors.append(os.pidfd_open(worker.process.pid))
        if descriptors:
            select.select(descriptors, [], [], _LOOK_EVERY)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _start(run: RunPaths, attempt: int, tracker: str, output: int, *, offline: bool = False) -> _Worker:
    command = [sys.executable, "-P", "-m", "core.tracking", str(run.root), str(attempt), "--to", tracker]
    process = subprocess.Popen(
        [*command, "--offline"] if offline else command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=run.root,
        start_new_session=True,
    )
    return _Worker(tracker, process, Journal(run, attempt, tracker), offline)


def _excess(worker: _Worker) -> str:
    """Why a worker has to be ended, or nothing."""
    taken = 0
    for process in _tree(worker.process.pid):
        with contextlib.suppress(psutil.Error):
            taken += process.memory_info().rss
    return f"takes more than {MEMORY_LIMIT >> 20} MiB of memory" if taken > MEMORY_LIMIT else ""


def _kill(worker: _Worker) -> None:
    for process in reversed(_tree(worker.process.pid)):
        with contextlib.suppress(psutil.Error):
            process.kill()
    worker.process.wait()


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it, itself first."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
