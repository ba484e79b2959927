"""Start what is queued. No daemon: whoever calls `dispatch` does it, under a short lock."""

from __future__ import annotations

import os
from pathlib import Path

from core.config.workspace import state_home, state_path
from core.errors import LabError, StateError
from core.launch.apart import apart, bound_log, log_fault
from core.launch.apart import supervisor_log as supervisor_log
from core.launch.delays import delay, hold_back
from core.launch.gpus import MissingGpuError
from core.launch.queue import QueueView
from core.launch.slots import Board, Slot, check_settings, slot_arguments
from core.launch.spawn import child_environment, module_command, spawn
from core.launch.work_item import Work
from core.store.attempts import write_error, write_exit
from core.store.locks import Lock, acquire, is_held

# Held shared by every supervisor: when it is free, nobody would dispatch later.
_ALIVE = "supervisors.lock"
_LOCK_WAIT = 30.0
# Those who only look at a supervisor's lock hold it for an instant.
_PATIENCE = 0.1


def supervisors_path() -> Path:
    """The lock that every living supervisor (and the waiter) shares."""
    return state_home() / _ALIVE


def dispatch(view: QueueView | None = None) -> list[str]:
    """Start what waits as far as there are free slots: who came first is served first.

    What cannot be served (its GPU is busy, it could not begin a moment ago) lets others pass; what names a
    GPU that is not there fails. Whoever comes again and again gives its `view`, and does not wait for another
    dispatcher. Returns the ids of the runs started (of jobs: run and job). Safe to call from any number of
    processes at any time.

    Raises UsageError for settings in the environment that cannot be, StateFolderError, OSError; never for
    anything that is wrong with one work: that is noted (`delays`) or in the view's `problems`.
    """
    check_settings()
    queue_lock = acquire(state_home() / "dispatch.lock", timeout=_LOCK_WAIT if view is None else 0.0)
    if queue_lock is None:
        if view is None:
            # Who holds it may have looked before our work was there.
            _ensure_waiter()
        return []
    view = view or QueueView()
    with queue_lock:
        board, started, left = Board(), list[str](), 0
        for work in view.works():
            with apart(view.problems, work.root):
                work.check()
                # Counted until it is sure that nobody has to come back for it.
                left += 1
                held = delay(work)
                if held is not None and held.left:
                    continue
                if _serve(board, work):
                    started.append(work.name)
                    left -= 1
                elif not work.waits():
                    left -= 1
        view.left = left
        if left:
            _ensure_waiter()
        return started


def nobody_dispatches() -> bool:
    """Whether no supervisor and no waiter lives: what waits then waits for somebody to call `dispatch`."""
    return not is_held(state_path() / _ALIVE, shared=True)


def _serve(board: Board, work: Work) -> bool:
    """Start one work if a slot is to be had; False when not. What goes wrong holds it back."""
    try:
        taken = board.take(work.need())
    except MissingGpuError as error:
        _refuse(work, error)
        return False
    if taken is None:
        return False
    slot, slot_lock = taken
    with slot_lock:
        try:
            if not _start(work, slot, slot_lock):
                return False
        except Exception as error:
            if not isinstance(error, OSError | LabError):
                log_fault(f"{work.name} could not be started", error)
            hold_back(work, error)
            return False
    board.used(slot)
    return True


def _start(work: Work, slot: Slot, slot_lock: Lock) -> bool:
    """Hand the slot to a supervisor of `work`; False when another has it, or has started it meanwhile."""
    try:
        sup_lock = acquire(work.supervisor_lock, timeout=_PATIENCE)
    except FileNotFoundError:
        return False
    if sup_lock is None:
        return False
    with sup_lock:
        # Only now, with the lock held, is it sure that nobody else has.
        if not work.waits():
            return False
        _spawn_supervisor(work, slot, slot_lock, sup_lock)
        return True


def _refuse(work: Work, error: LabError) -> None:
    """Let work fail that no slot of this machine can ever serve, with the reason where readers look."""
    try:
        sup_lock = acquire(work.supervisor_lock, timeout=_PATIENCE)
        if sup_lock is None:
            return
        with sup_lock:
            if work.waits():
                attempt = work.begin("", 0, None)
                write_error(attempt, type(error).__name__, str(error))
                write_exit(attempt, code=error.exit_code, signal=None)
    except (OSError, StateError) as fault:
        hold_back(work, fault)


def _spawn_supervisor(work: Work, slot: Slot, slot_lock: Lock, sup_lock: Lock) -> None:
    """Raises OSError when no supervisor could be started."""
    command = module_command(
        "core.launch.supervisor",
        *work.arguments,
        *slot_arguments(slot),
        "--slot-lock",
        str(slot_lock.fd),
        "--supervisor-lock",
        str(sup_lock.fd),
    )
    bound_log()
    process = spawn(
        command,
        log=supervisor_log(),
        cwd=work.run.root,
        environment=child_environment(),
        pass_fds=(slot_lock.fd, sup_lock.fd),
    )
    # It forks at once and the first half ends: nobody is left a zombie.
    if code := process.wait():
        raise OSError(f"its supervisor ended at once with code {code}, see {supervisor_log()}")


def _ensure_waiter() -> None:
    """With no supervisor alive, leave one detached process behind that dispatches later. Never fails."""
    try:
        if not nobody_dispatches():
            return
        bound_log()
        process = spawn(
            module_command("core.launch.queue_waiter"),
            log=supervisor_log(),
            cwd=Path(os.sep),
            environment=child_environment(),
        )
        process.wait()
    except (OSError, LabError) as error:
        log_fault("no waiter could be started", error)
