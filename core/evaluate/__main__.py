"""A job's process: `python -P -m core.evaluate RUN JOB`, JOB the name of its folder; output to its log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core.engine.stop import StopFlag, install_handlers
from core.store.jobs import JOB_NAME, take_job
from core.store.paths import JobPaths, RunPaths
from core.store.records import LOCKED_OUT


def main(arguments: list[str]) -> int:
    """Carry out one job: 0 when finished or stopped, 75 when it is being worked on, 1 on failure."""
    if len(arguments) != 2 or not JOB_NAME.fullmatch(arguments[1]):
        print("usage: python -P -m core.evaluate RUN_FOLDER JOB_NAME", file=sys.stderr)
        return 2
    os.umask(0o077)
    run = RunPaths(Path(arguments[0]).absolute())
    job = JobPaths(run.jobs / arguments[1])
    stop = StopFlag(job.stop)
    install_handlers(stop)
    lock = take_job(job)
    if lock is None:
        print(f"Another process works on {job.root.name} of {run.id}: this one ends.", file=sys.stderr)
        return LOCKED_OUT
    with lock:
        from core.evaluate.worker import run_job

        return run_job(run, job, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
