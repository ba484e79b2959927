"""Which process a pid meant: boot id and start ticks, so that a reused pid is never signalled."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass
from typing import Any

from core.store.process import boot_id, host, is_running, is_same, start_ticks


@dataclass(frozen=True)
class Identity:
    """A process on a host; `ticks` is field 22 of /proc/PID/stat (clock ticks since boot)."""

    pid: int
    ticks: int
    boot_id: str
    host: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def identify(pid: int) -> Identity | None:
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
