"""Dispatches while something is queued and no supervisor lives: `python -P -m core.launch.waiter`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and os.fork():
    os._exit(0)

import time

from core.config.workspace import state_home
from core.launch.dispatch import dispatch, supervisors_path
from core.launch.queue import QueueView
from core.store.locks import acquire

INTERVAL = 5.0


def wait_for_slots(interval: float = INTERVAL) -> None:
    """Return when a run was started (its supervisor dispatches from then on) or nothing waits any more."""
    only_one = acquire(state_home() / "waiter.lock")
    if only_one is None:
        return
    alive = acquire(supervisors_path(), timeout=5.0, shared=True)
    view = QueueView()
    try:
        while view.works() and not dispatch(view):
            time.sleep(interval)
    finally:
        only_one.release()
        if alive is not None:
            alive.release()


if __name__ == "__main__":
    wait_for_slots()
    sys.exit(0)
