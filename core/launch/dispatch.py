"""Start what is queued. No daemon: whoever calls `dispatch` does it, under a short lock."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from core.config.workspace import state_home
from core.launch.children import child_environment, module_command, spawn
from core.launch.queue import QueueView, waits
from core.launch.slots import Slot, take_slot
from core.store.locks import Lock, acquire, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import requests

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
    """Start as many queued runs as there are free slots, first come first served.

    Returns the ids of the runs started. Safe to call from any number of processes at any time.
    """
    view = view or QueueView()
    queue_lock = acquire(state_home() / "dispatch.lock", timeout=_LOCK_WAIT)
    if queue_lock is None:
        return []
    try:
        started = []
        waiting = view.waiting()
        while waiting:
            taken = take_slot()
            if taken is None:
                break
            slot, slot_lock = taken
            run = _start_first(waiting, slot, slot_lock)
            slot_lock.release()
            if run is None:
                break
            started.append(run.id)
        if waiting:
            _ensure_waiter()
        return started
    finally:
        queue_lock.release()


def _start_first(waiting: list[RunPaths], slot: Slot, slot_lock: Lock) -> RunPaths | None:
    """Hand the slot to the first run that can take it; drops from `waiting` what was tried."""
    while waiting:
        run = waiting.pop(0)
        lock_path = run_lock_path(run, "sup")
        with contextlib.suppress(FileNotFoundError):
            sup_lock = acquire(lock_path)
            if sup_lock is None:
                continue
            try:
                # Only now, with the lock held, is it sure that nobody else has started it meanwhile.
                if waits(run):
                    _spawn_supervisor(run, slot, slot_lock, sup_lock)
                    return run
            finally:
                sup_lock.release()
    return None


def _spawn_supervisor(run: RunPaths, slot: Slot, slot_lock: Lock, sup_lock: Lock) -> None:
    command = module_command(
        "core.launch.supervisor",
        str(run.root),
        "--request",
        str(requests(run)[-1].number),
        "--slot",
        slot.name,
        "--threads",
        str(slot.threads),
        "--slot-lock",
        str(slot_lock.fd),
        "--supervisor-lock",
        str(sup_lock.fd),
    )
    process = spawn(
        command,
        log=supervisor_log(),
        cwd=run.root,
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
