"""An attempt as a process sees it: exceptions become the log and an exit code."""

from __future__ import annotations

from core.engine.failure import exit_code, tell
from core.engine.stop import StopFlag
from core.engine.train import train_run
from core.store.paths import RunPaths


def run_attempt(run: RunPaths, attempt: int, stop: StopFlag) -> int:
    """0 when finished or stopped, 1 when it failed (sentence in the log and in error.json).

    74 when it failed and the disk is so full that not even error.json could be written.
    """
    try:
        train_run(run, attempt, stop)
    except Exception as error:
        tell(run, error)
        return exit_code(error, run.attempt(attempt).error)
    return 0
