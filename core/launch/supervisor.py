"""Holds a slot and watches one trainer, or a job: `python -P -m core.launch.supervisor RUN ...`."""

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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from core.errors import LabError
from core.launch.apart import log_fault, words
from core.launch.delays import forget, hold_back
from core.launch.dispatch import dispatch, supervisors_path
from core.launch.gpus import SLOT_ENV, describe
from core.launch.nvml import unlisted_cards
from core.launch.openmp import busy_cores, has_room, thread_environment
from core.launch.queue import QueueView
from core.launch.slots import Need, Slot, cores, cpu_slots, note_holder, slot_from_arguments
from core.launch.spawn import spawn
from core.launch.tracker import start_tracker
from core.launch.work_item import Work, from_arguments
from core.reading import is_directory, is_regular
from core.store.attempts import note_trainer, write_error, write_exit
from core.store.changes import mark_changed
from core.store.files import Reserve, reserve
from core.store.locks import LOCK_FDS_ENV, Lock, acquire, adopt, renew
from core.store.paths import AttemptPaths
from core.store.process import identity_of

_PR_SET_CHILD_SUBREAPER = 36
_DISPATCH_EVERY = 10.0
_LOOK_EVERY = 0.5
_EXIT_TRIES = 5
# What asks a process to end; its own handlers let them through again.
_ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Trainer(Protocol):
    """A started trainer; `wait` returns its exit status as Popen does (negative: the signal)."""

    pid: int

    def wait(self) -> int: ...


@dataclass(frozen=True)
class Launch:
    """All that starting a trainer takes."""

    work: Work
    attempt: AttemptPaths
    environment: dict[str, str]
    pass_fds: tuple[int, ...]


def start_trainer(launch: Launch) -> Trainer:
    """Start `python -P -m core.engine RUN ATTEMPT` (or a job's process), its output in the attempt's log.

    Signals that ask it to end wait until it listens to them (`engine.stop.install_handlers`).
    """
    with deaf():
        return spawn(
            launch.work.command(launch.attempt),
            log=launch.attempt.log,
            cwd=launch.work.run.root,
            environment=launch.work.environment(launch.environment),
            pass_fds=launch.pass_fds,
        )


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """What is started inside does not get signals that ask it to end before it lets them through itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def supervise(
    work: Work,
    slot: Slot,
    slot_lock: Lock,
    supervisor_lock: Lock,
    start: Callable[[Launch], Trainer] = start_trainer,
) -> None:
    """Carry work out in a slot, to its end, then dispatch what waits.

    The slot's lock is inherited by the trainer: the slot stays busy while either of the two lives.
    """
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    alive_lock: Lock | None = None
    try:
        with _survive("the lock of living supervisors"):
            alive_lock = acquire(supervisors_path(), timeout=5.0, shared=True)
        if not work.is_off():
            _carry_out(work, slot, slot_lock, start)
    except Exception as error:
        log_fault(f"{work.name} could not start", error)
        slot_lock.release()
        if not hold_back(work, error):
            # Nobody is told to wait, so nobody may have it for a while: the same would happen at once.
            time.sleep(_DISPATCH_EVERY)
        raise
    finally:
        slot_lock.release()
        supervisor_lock.release()
        mark_changed(work.run.root.parent, work.run.id)
        if alive_lock is not None:
            alive_lock.release()
        _dispatch(None)


def _carry_out(work: Work, slot: Slot, slot_lock: Lock, start: Callable[[Launch], Trainer]) -> None:
    """Raises what keeps the work from beginning; from then on, whatever happens is written down."""
    note_holder(slot_lock, work.holder)
    environment = trainer_environment(work.need(), slot, slot_lock)
    attempt = work.begin(slot.name, slot.threads, None if slot.gpu is None else describe(slot.gpu))
    forget(work)
    kept = reserve(attempt.exit)
    try:
        start_tracker(work, attempt)
        _adopt_orphans(True)
        killed_before = _oom_kills()
        try:
            trainer = start(Launch(work, attempt, environment, (slot_lock.fd,)))
        except Exception as error:
            log_fault(f"the process of {work.name} could not be started", error)
            with _survive("error.json"):
                said = f"its process could not be started: {words(error)}"
                write_error(attempt, type(error).__name__, said, reserve=kept)
            _write_exit(attempt, 1, False, kept)
            return
        with _survive("the trainer's identity"):
            trainer_identity = identity_of(trainer.pid)
            if trainer_identity is not None:
                note_trainer(attempt, trainer_identity.as_json())
        status = _watch(work.kill_marker, trainer)
        with _survive("what the trainer left behind"):
            _end_leftovers()
        _write_exit(attempt, status, status == -signal.SIGKILL and _oom_kills() > killed_before, kept)
    finally:
        if kept is not None:
            kept.release()


def _write_exit(attempt: AttemptPaths, status: int, oom_kill: bool, kept: Reserve | None) -> None:
    """Without exit.json a run reads as lost, so a fault that may pass is waited for."""
    for left in reversed(range(_EXIT_TRIES)):
        try:
            write_exit(
                attempt,
                code=status if status >= 0 else None,
                signal=-status if status < 0 else None,
                oom_kill=oom_kill,
                reserve=kept,
            )
            return
        except OSError as error:
            log_fault(f"{attempt.exit} was not written", error)
            if not left or not is_directory(attempt.root):
                return
            time.sleep(_LOOK_EVERY)


@contextlib.contextmanager
def _survive(what: str) -> Iterator[None]:
    """Best effort: a fault is noted in the log, and the watch over the trainer goes on."""
    try:
        yield
    except Exception as error:
        log_fault(what, error)


def trainer_environment(need: Need, slot: Slot, slot_lock: Lock) -> dict[str, str]:
    """What a trainer's environment has beside this process's own: its GPU, its threads, its slot.

    A GPU is named by UUID and the order of GPUs is that of nvidia-smi, so that all count them alike.
    """
    alone = slot.gpu is None and len(cpu_slots()) == 1
    if alone and slot.threads > 1:
        alone = has_room(slot.threads, cores(), busy_cores())
    environment = {
        **thread_environment(slot.threads, alone=alone),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "PYTHONUNBUFFERED": "1",
        SLOT_ENV: str(slot.path),
        LOCK_FDS_ENV: str(slot_lock.fd),
    }
    if slot.gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = slot.gpu.uuid
    elif need.device == "cpu" or not unlisted_cards():
        # Whoever has a CPU slot must not land on a GPU that another holds the lock of.
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif need.visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = need.visible
    return environment


def _watch(kill_marker: Path, trainer: Trainer) -> int:
    """Wait for the trainer; meanwhile carry out a kill request and dispatch for others."""
    view = QueueView()
    next_dispatch = time.monotonic() + _DISPATCH_EVERY
    descriptor: int | None = None
    # Without one (an old kernel, too many open files) the trainer is asked after, a little later each time.
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(trainer.pid)
    try:
        while not _has_ended(trainer.pid, descriptor):
            if is_regular(kill_marker):
                _kill_tree(trainer.pid)
            if time.monotonic() >= next_dispatch:
                renew()
                # The supervisors that this starts must not become our own leftovers.
                _adopt_orphans(False)
                _dispatch(view)
                _adopt_orphans(True)
                next_dispatch = time.monotonic() + _DISPATCH_EVERY
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return trainer.wait()


def _has_ended(pid: int, descriptor: int | None) -> bool:
    """Whether a child has ended, waiting a moment for it; it stays to be waited for."""
    if descriptor is not None:
        return bool(select.select([descriptor], [], [], _LOOK_EVERY)[0])
    try:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
    except ChildProcessError:
        return True
    time.sleep(_LOOK_EVERY / 5)
    return False


_told: dict[str, str] = {}
"""What the last dispatch could not do: said once, not every ten seconds."""


def _dispatch(view: QueueView | None) -> None:
    """Start what waits; no fault there (a full disk, a bad setting) may end the watch over a trainer."""
    try:
        dispatch(view)
        _told.clear()
    except Exception as error:
        if _told.get("") != words(error):
            log_fault("queued work could not be started", error)
        _told[""] = words(error)


def _adopt_orphans(on: bool) -> None:
    """Whether what descends from this process and loses its parent becomes its child, or nobody's."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)


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
    parser.add_argument("--request", type=int)
    parser.add_argument("--job")
    parser.add_argument("--slot", required=True)
    parser.add_argument("--slot-file", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--gpu")
    parser.add_argument("--slot-lock", type=int, required=True)
    parser.add_argument("--supervisor-lock", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        work = from_arguments(given.run, given.request, given.job)
        slot = slot_from_arguments(given.slot, given.slot_file, given.threads, given.gpu)
        slot_lock = adopt(given.slot_lock, slot.path)
        supervisor_lock = adopt(given.supervisor_lock, work.supervisor_lock)
    except (LabError, OSError, ValueError, KeyError) as error:
        # The run was removed meanwhile, say. Others wait for the slot that goes free with us.
        log_fault(f"nothing to supervise in {given.run}", error)
        for descriptor in (given.slot_lock, given.supervisor_lock):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        _dispatch(None)
        return
    supervise(work, slot, slot_lock, supervisor_lock)


if __name__ == "__main__":
    main(sys.argv[1:])
