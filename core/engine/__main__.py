"""The trainer: `python -P -m core.engine RUN ATTEMPT`, output to the attempt's log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.engine.stop import StopFlag, install_handlers
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths

EXIT_LOCKED = 75
_LOCK_TIMEOUT = 5.0


def main(arguments: list[str]) -> int:
    """Run one attempt: 0 when finished or stopped, 75 when another trainer holds the run, 1 on failure."""
    if len(arguments) != 2 or not arguments[1].isdigit():
        print("usage: python -P -m core.engine RUN_FOLDER ATTEMPT_NUMBER", file=sys.stderr)
        return 2
    os.umask(0o077)
    run, attempt = RunPaths(Path(arguments[0]).absolute()), int(arguments[1])
    stop = StopFlag()
    install_handlers(stop)
    lock = acquire(run_lock_path(run, "train"), timeout=_LOCK_TIMEOUT)
    if lock is None:
        print(f"Another trainer works on {run.id}: this one ends.", file=sys.stderr)
        return EXIT_LOCKED
    with lock:
        from core.engine.attempt import run_attempt

        return run_attempt(run, attempt, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
