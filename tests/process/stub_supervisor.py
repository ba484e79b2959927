"""The real supervisor and waiter, whose trainers and job processes are `stub_worker.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__" and os.fork():
    os._exit(0)

import core.launch.dispatch as dispatch
import core.launch.queue_waiter as waiter
import core.launch.supervisor as supervisor
import core.launch.tracker as tracker
from core.launch.work_item import Work
from core.store.files import read_json
from core.store.paths import AttemptPaths

HERE = Path(__file__).parent
WAIT = "--wait-for-slots"


def supervisor_command(module: str, *arguments: str, python: str = "") -> list[str]:
    """In place of `module_command` in the dispatcher: supervisors are this script, waiters look often."""
    if module == "core.launch.supervisor":
        return [sys.executable, "-P", str(HERE / "stub_supervisor.py"), *arguments]
    if module == "core.launch.queue_waiter":
        return [sys.executable, "-P", str(HERE / "stub_supervisor.py"), WAIT]
    return [sys.executable, "-P", "-m", module, *arguments]


def worker_command(work: Work, attempt: AttemptPaths) -> list[str]:
    """In place of `Work.command`; runs of a config `real` have the real trainer."""
    if work.job is None and (read_json(work.run.spec) or {}).get("config") == "real":
        return [sys.executable, "-P", "-m", "core.engine", str(work.run.root), str(attempt.number)]
    name = str(attempt.number) if work.job is None else attempt.root.name
    return [sys.executable, "-P", str(HERE / "stub_worker.py"), str(work.run.root), name]


def tracker_command(module: str, *arguments: str, python: str = "") -> list[str]:
    """In place of `module_command` where trackers are started."""
    return [sys.executable, "-P", os.environ.get("STUB_TRACKER", os.devnull), *arguments]


if __name__ == "__main__":
    supervisor._DISPATCH_EVERY = float(os.environ.get("STUB_DISPATCH_EVERY", "10"))
    tracker.module_command = tracker_command  # type: ignore[attr-defined]
    dispatch.module_command = supervisor_command  # type: ignore[attr-defined]
    Work.command = worker_command  # type: ignore[method-assign, assignment]
    if sys.argv[1:] == [WAIT]:
        waiter.wait_for_slots(0.2)
    else:
        supervisor.main(sys.argv[1:])
