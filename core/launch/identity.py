"""Which process a pid meant: boot id and start ticks, so that a reused pid is never signalled."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """A process on a host; `ticks` is field 22 of /proc/PID/stat (clock ticks since boot)."""

    pid: int
    ticks: int
    boot_id: str
    host: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def boot_id() -> str:
    """The kernel's id of this boot, empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def identify(pid: int) -> Identity | None:
    """The identity of a live process on this host, None if there is no such process."""
    ticks = start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id(), socket.gethostname())


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
    return (
        identity.boot_id == boot_id()
        and identity.host == socket.gethostname()
        and start_ticks(identity.pid) == identity.ticks
    )


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone, never a stranger that got its pid."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True
