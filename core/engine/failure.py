"""Why an attempt failed, in a sentence for people."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch

from core import os_errors
from core.engine.state import TrainState
from core.errors import LabError
from core.reading import exists
from core.store.attempts import write_error
from core.store.files import DISK_FULL, Reserve
from core.store.paths import RunPaths
from core.store.state import DISK_FULL_EXIT

_SURROUNDINGS = DISK_FULL | {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.EROFS,
    errno.ESTALE,
}


@dataclass
class Place:
    """Where training stands: the start checkpoint's place until there is a state."""

    state: TrainState | None = None
    _epochs_done: int = 0
    _step: int = 0
    _total: int = 0

    @property
    def epochs_done(self) -> int:
        return self.state.epochs_done if self.state else self._epochs_done

    @property
    def step(self) -> int:
        return self.state.step if self.state else self._step

    @property
    def early_stop(self) -> dict[str, int] | None:
        """Where patience ended before the goal, and the best epoch; None unless it did."""
        state = self.state
        if state is None or not state.ends_early or state.epochs_done >= self._total:
            return None
        return {"epoch": state.epochs_done, "best_epoch": state.best.epoch if state.best else 0}

    def start_at(self, epochs_done: int, step: int, total: int) -> None:
        self._epochs_done, self._step, self._total = epochs_done, step, total


def write_failure(
    run: RunPaths, attempt: int, error: Exception, place: Place, reserve: Reserve | None = None
) -> None:
    """Write error.json with the epoch under way; where even that fails, the log and exit.json remain.

    `reserve` is space for it on a disk that has become full.
    """
    epoch = place.epochs_done + 1 if place.state else None
    with contextlib.suppress(OSError):
        write_error(
            run.attempt(attempt),
            type(error).__name__,
            sentence(run, error),
            epoch=epoch,
            step=place.step if place.state else None,
            reserve=reserve,
        )


def exit_code(error: Exception, written: Path) -> int:
    """What a process that failed with `error` ends with: it says what `written` could not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_FULL and not exists(written):
            return DISK_FULL_EXIT
        cause = cause.__cause__
    return 1


def tell(run: RunPaths, error: Exception) -> None:
    """Print the sentence; before it where it happened, unless nothing in the code is at fault."""
    at_fault: BaseException = error
    while isinstance(at_fault, LabError) and at_fault.__cause__ is not None:
        at_fault = at_fault.__cause__
    outside = isinstance(at_fault, OSError) and (at_fault is not error or at_fault.errno in _SURROUNDINGS)
    if not (outside or isinstance(at_fault, LabError) or _out_of_memory(error)):
        traceback.print_exception(at_fault)
    print(sentence(run, error), file=sys.stderr, flush=True)


def _out_of_memory(error: Exception) -> str:
    """GPU or machine, when that is what `error` means, else nothing: torch has many words for it."""
    if isinstance(error, torch.OutOfMemoryError):
        return "GPU"
    if isinstance(error, MemoryError):
        return "machine"
    text = str(error) if isinstance(error, RuntimeError) else ""
    if "ALLOC_FAILED" in text or "CUDA error: out of memory" in text:
        return "GPU"
    return "machine" if "can't allocate memory" in text else ""


def sentence(run: RunPaths, error: Exception) -> str:
    """What to tell the user about an exception."""
    if isinstance(error, LabError):
        return str(error)
    where = _out_of_memory(error)
    if where:
        return f"The {where} is out of memory: lower batch or image_size, or end other programs that use it."
    if isinstance(error, OSError) and not run.root.exists():
        return f"The folder {run.root} is gone: it was deleted or moved while the run trained."
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            "Too many open files: raise the limit (ulimit -n) in the shell that starts labtui, then resume."
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return f"The disk is full: {error.filename or run.root} was not written. Make room, then resume."
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return (
            f"{error.filename or run.root} was not written: files are limited to less here. Raise the "
            "limit (ulimit -f), or use another file system, then resume."
        )
    if isinstance(error, OSError) and error.errno in _SURROUNDINGS:
        return os_errors.sentence(error)
    first = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
