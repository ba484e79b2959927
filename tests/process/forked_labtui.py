"""`labtui`, whose supervisors come from the fork server at $FORK_SERVER: no trainer has to import torch."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import core.launch.dispatch as dispatch
from core.launch.slots import Slot
from core.launch.work_item import Work
from core.store.locks import Lock
from tui.__main__ import main

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.process.process_tools import ask_server


def spawn(work: Work, slot: Slot, slot_lock: Lock, sup_lock: Lock) -> None:
    """Let the server take both locks; the caller holds the dispatch lock, so nobody else can."""
    slot_lock.release()
    sup_lock.release()
    ask_server(os.environ["FORK_SERVER"], work)
    while work.waits():
        time.sleep(0.005)


if __name__ == "__main__":
    dispatch._spawn_supervisor = spawn
    sys.exit(main())
