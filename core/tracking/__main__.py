"""The sidecar: `python -P -m core.tracking RUN ATTEMPT`; with `--to TRACKER`, one of its workers."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

from core.store.paths import RunPaths
from core.tracking import TRACKERS

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Entry of the sidecar and of its workers; 0 when every tracker took everything."""
    parser = argparse.ArgumentParser(prog="python -P -m core.tracking")
    parser.add_argument("run", type=Path)
    parser.add_argument("attempt", type=int)
    parser.add_argument("--to", choices=TRACKERS)
    parser.add_argument("--offline", action="store_true")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    run = RunPaths(given.run.absolute())
    if given.to is None:
        from core.tracking.watch import watch

        return watch(run, given.attempt)
    watcher = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != watcher:
        return 1
    from core.tracking.worker import work

    return work(run, given.attempt, given.to, offline=given.offline)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: what wandb does at exit may hang.
    os._exit(status)
