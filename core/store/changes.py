"""What every change to a run goes through: is it ours to change, and who should look again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from core.errors import DataError, StateError, UnreadableError
from core.reading import exists, is_directory
from core.store import files, locks
from core.store.paths import FORMAT, RunPaths
from core.store.records import ACTIVE

CHANGES = ".changed"
_CHANGES_LIMIT = 1 << 20
_LOCK_PATIENCE = 5.0
# Without O_NONBLOCK a named pipe would be waited for.
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def require_writable(run: RunPaths, *, damaged: bool = False) -> None:
    """Raises StateError when the run was written by a later labtui, or is no run at all, or is damaged.

    `damaged`: a run whose spec.json is gone or cannot be read will do; it may be training.
    """
    try:
        spec = files.read_json(run.spec)
    except UnreadableError as error:
        if damaged:
            return
        raise StateError(f"Run {run.id} cannot be changed: {error}") from None
    if spec is None:
        if damaged and is_directory(run.requests):
            return
        raise StateError(f"{run.root} is not a run: its spec.json is missing.")
    version = spec.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise StateError(
            f"Run {run.id} was made by a newer labtui (format {version}, this one writes {FORMAT}): "
            "it can be read, but not changed. Update labtui to change it."
        )


def require_lists(run: RunPaths) -> None:
    """Raises DataError when a run that has begun lost the lists of its images: they are never drawn anew.

    The first attempt writes model.json right after them, and no fork inherits it.
    """
    if exists(run.model) and not exists(run.split):
        raise DataError(
            f"Run {run.id} has lost its split.json, which says what it is trained and validated on: put it "
            "back from a copy, or start a new run of the same config."
        )


def mark_changed(runs: Path, run_id: str) -> None:
    """Append the id to `runs/.changed`, the hint that readers watch. Never fails: it is only a hint."""
    path = os.path.join(runs, CHANGES)
    with suppress(OSError):
        fd = os.open(path, _APPEND, 0o600)
        try:
            if os.fstat(fd).st_size > _CHANGES_LIMIT:
                os.ftruncate(fd, 0)
            files.append(fd, f"{run_id}\n".encode(), path)
        finally:
            os.close(fd)


def require_active(what: str, state: str) -> None:
    """Raises StateError when `what` (`Run X`) has ended: there is nothing to stop then."""
    if state not in ACTIVE:
        raise StateError(f"{what} is {state}: there is nothing to stop.")


def meta_lock(run: RunPaths) -> locks.Lock:
    """The lock under which meta.json, pins.json, retention, forks and removal work.

    Raises StateError when it is held, or the run is gone.
    """
    try:
        lock = locks.acquire(locks.run_lock_path(run, "meta"), timeout=_LOCK_PATIENCE)
    except FileNotFoundError:
        raise StateError(f"Run {run.id} is gone: it was removed.") from None
    if lock is None:
        raise StateError(f"Another labtui is changing run {run.id}; try again.")
    return lock
