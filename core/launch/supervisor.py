"""Holds a slot and watches one trainer: `python -P -m core.launch.supervisor RUN --request N ...`."""

from __future__ import annotations

import os
import sys

# The first half ends at once, so that the supervisor is nobody's child and nobody's zombie.
if __name__ == "__main__" and os.fork():
    os._exit(0)

import argparse
import contextlib
import ctypes
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from core.launch.children import child_environment, module_command, spawn
from core.launch.dispatch import dispatch, supervisors_path
from core.launch.identity import identify
from core.launch.queue import QueueView
from core.launch.slots import cpu_slots, slot_path, thread_environment
from core.store.attempts import begin_attempt, note_trainer, write_exit
from core.store.guard import mark_changed
from core.store.locks import Lock, acquire, adopt, run_lock_path
from core.store.paths import AttemptPaths, RunPaths

_PR_SET_CHILD_SUBREAPER = 36
_DISPATCH_EVERY = 10.0
_LOOK_EVERY = 0.5


class Trainer(Protocol):
    """A started trainer; `wait` returns its exit status as Popen does (negative: the signal)."""

    pid: int

    def wait(self) -> int: ...


@dataclass(frozen=True)
class Launch:
    """All that starting a trainer takes."""

    run: RunPaths
    attempt: AttemptPaths
    environment: dict[str, str]
    pass_fds: tuple[int, ...]


def start_trainer(launch: Launch) -> Trainer:
    """Start `python -P -m core.engine RUN ATTEMPT` with its output in the attempt's log."""
    return spawn(
        trainer_command(launch.run, launch.attempt),
        log=launch.attempt.log,
        cwd=launch.run.root,
        environment=child_environment(launch.environment),
        pass_fds=launch.pass_fds,
    )


def trainer_command(run: RunPaths, attempt: AttemptPaths) -> list[str]:
    """The argv of a trainer on one device."""
    return module_command("core.engine", str(run.root), str(attempt.number))


def supervise(
    run: RunPaths,
    request: int,
    slot: str,
    threads: int,
    slot_lock: Lock,
    supervisor_lock: Lock,
    start: Callable[[Launch], Trainer] = start_trainer,
) -> None:
    """Run one attempt of `request` to its end, then dispatch what waits.

    The slot's lock is inherited by the trainer: the slot stays busy while either of the two lives.
    """
    os.umask(0o077)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    alive_lock = acquire(supervisors_path(), timeout=5.0, shared=True)
    try:
        if not run.stop_marker(request).exists() and not run.kill_marker(request).exists():
            _run_attempt(run, request, slot, threads, slot_lock, start)
    finally:
        slot_lock.release()
        supervisor_lock.release()
        if alive_lock is not None:
            alive_lock.release()
        with contextlib.suppress(OSError):
            mark_changed(run.root.parent, run.id)
        dispatch()


def _run_attempt(
    run: RunPaths,
    request: int,
    slot: str,
    threads: int,
    slot_lock: Lock,
    start: Callable[[Launch], Trainer],
) -> None:
    attempt = begin_attempt(run, request, slot=slot, threads=threads)
    environment = {
        **thread_environment(threads, len(cpu_slots())),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTHONUNBUFFERED": "1",
        "LABTUI_LOCK_FDS": str(slot_lock.fd),
    }
    killed_before = _oom_kills()
    trainer = start(Launch(run, attempt, environment, (slot_lock.fd,)))
    trainer_identity = identify(trainer.pid)
    if trainer_identity is not None:
        note_trainer(attempt, trainer_identity.as_json())
    status = _watch(run, request, trainer)
    _end_leftovers()
    write_exit(
        attempt,
        code=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        oom_kill=status == -signal.SIGKILL and _oom_kills() > killed_before,
    )


def _watch(run: RunPaths, request: int, trainer: Trainer) -> int:
    """Wait for the trainer; meanwhile carry out a kill request and dispatch for others."""
    view = QueueView()
    kill_marker = run.kill_marker(request)
    next_dispatch = time.monotonic() + _DISPATCH_EVERY
    try:
        descriptor = os.pidfd_open(trainer.pid)
    except ProcessLookupError:
        return trainer.wait()
    try:
        while not select.select([descriptor], [], [], _LOOK_EVERY)[0]:
            if kill_marker.exists():
                _kill_tree(trainer.pid)
            if time.monotonic() >= next_dispatch:
                dispatch(view)
                next_dispatch = time.monotonic() + _DISPATCH_EVERY
    finally:
        os.close(descriptor)
    return trainer.wait()


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [*parent.children(recursive=True), parent]:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _end_leftovers() -> None:
    """Kill what the trainer left behind: as subreaper this process has inherited it."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _oom_kills() -> int:
    """How often the kernel killed for memory in this cgroup (v2, else v1), else in the whole system."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    candidates = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            candidates.append(Path("/sys/fs/cgroup") / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            candidates.append(Path("/sys/fs/cgroup/memory") / path.lstrip("/") / "memory.oom_control")
    for counter in [*candidates, Path("/proc/vmstat")]:
        with contextlib.suppress(OSError, ValueError):
            for line in counter.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return 0


def main(arguments: list[str]) -> None:
    """Entry of the supervisor process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--request", type=int, required=True)
    parser.add_argument("--slot", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--slot-lock", type=int, required=True)
    parser.add_argument("--supervisor-lock", type=int, required=True)
    given = parser.parse_args(arguments)
    run = RunPaths(given.run)
    slot_lock = adopt(given.slot_lock, slot_path(given.slot))
    supervisor_lock = adopt(given.supervisor_lock, run_lock_path(run, "sup"))
    supervise(run, given.request, given.slot, given.threads, slot_lock, supervisor_lock)


if __name__ == "__main__":
    main(sys.argv[1:])
