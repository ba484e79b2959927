"""An attempt as a process sees it: exceptions become the log and an exit code."""

from __future__ import annotations

import sys
import traceback

from core.engine.failure import sentence
from core.engine.stop import StopFlag
from core.engine.train import train_run
from core.store.paths import RunPaths


def run_attempt(run: RunPaths, attempt: int, stop: StopFlag) -> int:
    """0 when finished or stopped, 1 when it failed (traceback in the log, sentence in error.json)."""
    try:
        train_run(run, attempt, stop)
    except Exception as error:
        traceback.print_exc()
        print(sentence(run, error), file=sys.stderr, flush=True)
        return 1
    return 0
