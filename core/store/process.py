"""Who a process is, by boot and start ticks: a reused process id is never taken for it, nor signalled."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

_ASKER = "LABTUI_ASKER"
_PR_SET_PDEATHSIG = 1


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


@functools.cache
def boot_id() -> str:
    """The kernel's id of the current boot; empty where there is none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


@functools.cache
def host_tag() -> str:
    """Six hex digits that stand, in file names, for this machine and for what process ids mean here."""
    try:
        # In another container the same number is another process.
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{host()}\0{numbers}".encode()).hexdigest()[:6]


def start_ticks(pid: int) -> int | None:
    """Ticks from boot to the start of a process (field 22 of `/proc/<pid>/stat`); None if it is gone."""
    stat = _stat(pid)
    return int(stat[19]) if stat else None


def is_running(pid: int) -> bool:
    """Whether a process of this id exists and is not a zombie."""
    if os.path.isdir("/proc/self"):
        stat = _stat(pid)
        return stat is not None and stat[0] not in ("Z", "X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def identify(pid: int | None = None) -> dict[str, Any]:
    """`{"pid", "ticks", "boot_id", "host"}` of a process on this machine, by default this one."""
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "ticks": start_ticks(pid), "boot_id": boot_id(), "host": host()}


def is_same(identity: Mapping[str, Any]) -> bool:
    """Whether the process that `identify` described still runs, on this machine and in this boot."""
    pid, ticks = identity.get("pid"), identity.get("ticks")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if identity.get("host", host()) != host() or identity.get("boot_id", boot_id()) != boot_id():
        return False
    return is_running(pid) and start_ticks(pid) == ticks


@dataclass(frozen=True)
class Identity:
    """A process on a host; `ticks` is field 22 of /proc/PID/stat (clock ticks since boot)."""

    pid: int
    ticks: int
    boot_id: str
    host: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def identity_of(pid: int) -> Identity | None:
    """The identity of a live process on this host, None if there is no such process."""
    if not is_running(pid):
        return None
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id(), host())


def from_json(data: object) -> Identity | None:
    """The identity in a run's `start.json`, None when it is absent or torn."""
    if not isinstance(data, dict):
        return None
    try:
        return Identity(int(data["pid"]), int(data["ticks"]), str(data["boot_id"]), str(data["host"]))
    except (KeyError, TypeError, ValueError):
        return None


def is_alive(identity: Identity) -> bool:
    """Whether this very process still runs; always False for another boot or host."""
    return is_same(identity.as_json())


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone, never a stranger that got its pid."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    except OSError:
        # A kernel without it, or no descriptor left: the same with an instant between look and signal.
        return _send_plainly(identity, number)
    try:
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _send_plainly(identity: Identity, number: signal.Signals) -> bool:
    if not is_alive(identity):
        return False
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return False
    return True


def asker() -> dict[str, str]:
    """For the environment of a child that answers a question: who asked it (`end_with_asker`)."""
    return {_ASKER: str(os.getpid())}


def end_with_asker() -> None:
    """From now on this process ends when its parent does, however that ends; at once when it has already.

    Nobody would read the answer, and what a user's own code does may take for ever.
    """
    given = os.environ.pop(_ASKER, "")
    if not given.isdigit():
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(given):
        os._exit(1)


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/<pid>/stat` from the state on (the name before it may hold anything)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return None
