"""`labtui`, whose supervisors come from the fork server at $FORK_SERVER: no trainer has to import torch."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

import core.launch.dispatch as dispatch
from core.launch.slots import Slot
from core.launch.work import Work
from core.store.locks import Lock
from tui.__main__ import main


def ask_server(work: Work, slot: Slot, slot_lock: Lock, sup_lock: Lock) -> None:
    """Let the server take both locks; the caller holds the dispatch lock, so nobody else can."""
    slot_lock.release()
    sup_lock.release()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["FORK_SERVER"])
        job = None if work.job is None else work.job.root.name
        asked = {"run": str(work.run.root), "request": work.request, "job": job}
        connection.sendall(json.dumps(asked).encode() + b"\n")
        connection.makefile().readline()
    while work.waits():
        time.sleep(0.005)


if __name__ == "__main__":
    dispatch._spawn_supervisor = ask_server
    sys.exit(main())
