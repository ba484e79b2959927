"""One job as its process sees it: from job.json to result.json, or to error.json and an exit code."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from core.engine.failure import exit_code, sentence, tell
from core.engine.stop import StopFlag
from core.errors import StateError
from core.evaluate.measure import run_measure
from core.evaluate.predict import run_predict
from core.store.attempts import write_error
from core.store.changes import mark_changed
from core.store.files import peek_json, read_json, reserve, sweep, write_json
from core.store.paths import JobPaths, RunPaths


def run_job(run: RunPaths, job: JobPaths, stop: StopFlag) -> int:
    """0 when finished or stopped (result.json), 1 when it failed (sentence in the log and in error.json).

    74 when it failed and the disk is so full that not even error.json could be written.
    """
    kept = reserve(job.error)
    try:
        content = read_json(job.job)
        if content is None:
            raise StateError(f"{job.job} is missing: start the job again.")
        for folder in (run.measures, run.predictions):
            sweep(folder)
        on_gpu = not str((peek_json(job.start) or {}).get("slot", "cpu")).startswith("cpu")
        finished, document = _carry_out(run, job, content, stop, on_gpu)
        _write(job, "result", {"status": "finished" if finished else "stopped", **document})
    except Exception as error:
        tell(run, error)
        with contextlib.suppress(OSError):
            write_error(job, type(error).__name__, sentence(run, error), reserve=kept)
        return exit_code(error, job.error)
    finally:
        if kept is not None:
            kept.release()
    return 0


def _carry_out(
    run: RunPaths, job: JobPaths, content: Mapping[str, Any], stop: StopFlag, on_gpu: bool
) -> tuple[bool, dict[str, Any]]:
    if job.kind == "measure":
        outcome = run_measure(run, job, content, stop, on_gpu=on_gpu)
        return outcome.finished, outcome.document()
    if job.kind == "predict":
        return run_predict(run, job, content, stop, on_gpu=on_gpu)
    raise StateError(f"{job.root.name} is not a kind of job that this labtui knows: update labtui.")


def _write(job: JobPaths, name: str, content: Mapping[str, Any]) -> None:
    write_json(job.root / f"{name}.json", {**content, "time": time.time()})
    mark_changed(job.run.root.parent, job.run.id)
