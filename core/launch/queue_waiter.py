"""Dispatches while something is queued and no supervisor lives: `python -P -m core.launch.queue_waiter`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and os.fork():
    os._exit(0)

import time

from core.config.workspace import state_home
from core.launch.apart import log_fault
from core.launch.dispatch import dispatch, supervisors_path
from core.launch.queue import QueueView
from core.store.locks import acquire

INTERVAL = 5.0
_LONGEST = 300.0
_FAULTS = 100


def wait_for_slots(interval: float = INTERVAL) -> None:
    """Return when a run was started (its supervisor dispatches from then on) or nothing waits any more."""
    only_one = acquire(state_home() / "waiter.lock")
    if only_one is None:
        return
    alive = acquire(supervisors_path(), timeout=5.0, shared=True)
    try:
        _wait(interval)
    finally:
        only_one.release()
        if alive is not None:
            alive.release()
    # Whoever queued something since our last look has seen the locks held, and left it to us.
    dispatch()


def _wait(interval: float) -> None:
    view, faults = QueueView(), 0
    while True:
        try:
            # When another dispatches at this moment, nothing is known: look again.
            view.left = 1
            if dispatch(view) or not view.left:
                return
            faults = 0
        except Exception as error:
            # A fault that passes (no memory, too many files) must not leave the queue to nobody.
            faults += 1
            log_fault(f"the waiter, fault {faults} in a row", error)
            if faults >= _FAULTS:
                return
        time.sleep(min(_LONGEST, interval * 2.0 ** min(faults, 10)))


if __name__ == "__main__":
    wait_for_slots()
    sys.exit(0)
