"""The process that copies a run's metrics to trackers (W&B, TensorBoard), beside the trainer."""

from __future__ import annotations

import os
from contextlib import suppress

from core.launch.spawn import child_environment, module_command, spawn
from core.launch.work_item import Work
from core.store.files import peek_json
from core.store.paths import AttemptPaths, RunPaths


def wants_tracker(run: RunPaths) -> bool:
    """Whether the run was made with a tracker."""
    log = (peek_json(run.spec) or {}).get("log")
    if not isinstance(log, dict):
        return False
    return log.get("wandb") in ("online", "offline") or log.get("tensorboard") is True


def start_tracker(work: Work, attempt: AttemptPaths) -> None:
    """Start `python -P -m core.tracking RUN ATTEMPT` for a run that wants it; never fails.

    It belongs to nobody (so that it is not ended with what a trainer leaves behind), gets no GPU, holds no
    lock, and ends by itself. What it cannot say elsewhere goes to the attempt's log.
    """
    if work.job is not None or not wants_tracker(work.run):
        return
    with suppress(OSError):
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return
        try:
            spawn(
                module_command("core.tracking", str(work.run.root), str(attempt.number)),
                log=attempt.log,
                cwd=work.run.root,
                environment=child_environment({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}),
            )
        except OSError as error:
            with attempt.log.open("ab") as log:
                log.write(f"note: nothing is tracked: no process could be started: {error}\n".encode())
        finally:
            os._exit(0)
