"""Faults on demand, so that tests can let each single write operation fail.

`LABTUI_FAULT=n:kill|enospc|eio` (or `arm()`) makes the n-th operation of this process fail; `n+:...` makes
every one from the n-th on fail. A write that fails leaves half of its bytes behind, as a full disk does.
`recording()` lists the operations in order.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import UsageError

FAULT_ENV = "LABTUI_FAULT"
_FAULTS = {"kill": 0, "enospc": errno.ENOSPC, "eio": errno.EIO}
_FREEING = frozenset({"unlink", "remove"})

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Operation:
    """One write operation: its kind (mkdir, create, write, fsync, replace, ...) and the path it is about."""

    kind: str
    path: str


@dataclass(frozen=True)
class _Fault:
    at: int
    onward: bool
    how: str


_fault: _Fault | None = None
_count = 0
_recorded: list[Operation] | None = None


def arm(text: str) -> None:
    """Set the fault (`3:kill`, `5:enospc`, `1+:eio`; empty: none) and count operations from here.

    Raises UsageError when `text` is not such a word.
    """
    global _fault, _count
    _count = 0
    _fault = None
    if not text:
        return
    number, _, how = text.partition(":")
    digits = number.removesuffix("+")
    if how not in _FAULTS or not digits.isdigit() or int(digits) < 1:
        raise UsageError(f"{FAULT_ENV} is '{text}', but must read like 3:kill, 3:enospc, 3:eio or 3+:enospc.")
    _fault = _Fault(int(digits), number.endswith("+"), how)


@contextmanager
def recording() -> Iterator[list[Operation]]:
    """Collect the operations done inside the block, in order."""
    global _recorded
    before, _recorded = _recorded, []
    try:
        yield _recorded
    finally:
        _recorded = before


def step(kind: str, path: AnyPath) -> None:
    """Before an operation: raises OSError, or ends this process, when its turn to fail has come."""
    if how := due(kind, path):
        strike(how, path)


def due(kind: str, path: AnyPath) -> str:
    """Count an operation; the fault that is due at it, or the empty string."""
    global _count
    if _recorded is not None:
        _recorded.append(Operation(kind, os.fspath(path)))
    if _fault is None:
        return ""
    _count += 1
    if _count != _fault.at and not (_fault.onward and _count > _fault.at):
        return ""
    # Removing works on a full disk.
    return "" if _fault.how == "enospc" and kind in _FREEING else _fault.how


def strike(how: str, path: AnyPath) -> None:
    """Let a fault happen: raises OSError, or never returns."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    number = _FAULTS[how]
    raise OSError(number, os.strerror(number), os.fspath(path))


arm(os.environ.get(FAULT_ENV, ""))
