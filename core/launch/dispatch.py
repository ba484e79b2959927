"""Start what is queued. No daemon: whoever calls `dispatch` does it, under a short lock."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from core.config.workspace import state_home
from core.errors import LabError, StateError
from core.launch.children import child_environment, module_command, spawn
from core.launch.gpus import MissingGpuError
from core.launch.queue import QueueView
from core.launch.slots import Board, Slot, slot_arguments
from core.launch.work import Work
from core.store.attempts import write_error, write_exit
from core.store.locks import Lock, acquire

# Held shared by every supervisor: when it is free, nobody would dispatch later.
_ALIVE = "supervisors.lock"
_LOCK_WAIT = 30.0


def supervisors_path() -> Path:
    """The lock that every living supervisor (and the waiter) shares."""
    return state_home() / _ALIVE


def supervisor_log() -> Path:
    """Where supervisors write what goes wrong with themselves."""
    return state_home() / "supervisor.log"


def dispatch(view: QueueView | None = None) -> list[str]:
    """Start what waits as far as there are free slots: who came first is served first.

    What cannot be served (its GPU is busy) lets others pass that want another slot; what names a GPU that is
    not there fails. Returns the ids of the runs started (of jobs: run and job). Safe to call from any number
    of processes at any time.
    """
    view = view or QueueView()
    queue_lock = acquire(state_home() / "dispatch.lock", timeout=_LOCK_WAIT)
    if queue_lock is None:
        return []
    try:
        board, started, left = Board(), list[str](), 0
        for work in view.works():
            try:
                taken = board.take(work.need())
            except MissingGpuError as error:
                _refuse(work, error)
                continue
            if taken is None:
                left += 1
                continue
            slot, slot_lock = taken
            with slot_lock:
                if _start(work, slot, slot_lock):
                    board.used(slot)
                    started.append(work.name)
        if left:
            _ensure_waiter()
        return started
    finally:
        queue_lock.release()


def _start(work: Work, slot: Slot, slot_lock: Lock) -> bool:
    """Hand the slot to a supervisor of `work`; False when another has started it meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        sup_lock = acquire(work.supervisor_lock)
        if sup_lock is None:
            return False
        with sup_lock:
            # Only now, with the lock held, is it sure that nobody else has.
            if work.waits():
                _spawn_supervisor(work, slot, slot_lock, sup_lock)
                return True
    return False


def _refuse(work: Work, error: LabError) -> None:
    """Let work fail that no slot of this machine can ever serve, with the reason where readers look."""
    with contextlib.suppress(OSError, StateError):
        sup_lock = acquire(work.supervisor_lock)
        if sup_lock is None:
            return
        with sup_lock:
            if work.waits():
                attempt = work.begin("", 0, None)
                write_error(attempt, type(error).__name__, str(error))
                write_exit(attempt, code=error.exit_code, signal=None)


def _spawn_supervisor(work: Work, slot: Slot, slot_lock: Lock, sup_lock: Lock) -> None:
    command = module_command(
        "core.launch.supervisor",
        *work.arguments,
        *slot_arguments(slot),
        "--slot-lock",
        str(slot_lock.fd),
        "--supervisor-lock",
        str(sup_lock.fd),
    )
    process = spawn(
        command,
        log=supervisor_log(),
        cwd=work.run.root,
        environment=child_environment(),
        pass_fds=(slot_lock.fd, sup_lock.fd),
    )
    # It forks at once and the first half ends: nobody is left a zombie.
    process.wait()


def _ensure_waiter() -> None:
    """With no supervisor alive, leave one detached process behind that dispatches later."""
    lock = acquire(supervisors_path())
    if lock is None:
        return
    lock.release()
    process = spawn(
        module_command("core.launch.waiter"),
        log=supervisor_log(),
        cwd=Path(os.sep),
        environment=child_environment(),
    )
    process.wait()
