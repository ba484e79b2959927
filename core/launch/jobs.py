"""Start, stop and wait for jobs: what the command line and the screens do beside training."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from core.config.workspace import Workspace, require_state_home
from core.launch.control import tell_to_stop
from core.launch.dispatch import dispatch
from core.launch.gpus import require_gpus
from core.launch.queue import register
from core.store import jobs
from core.store.jobs import JobState, list_jobs, read_job, request_job_stop
from core.store.locks import job_lock_path
from core.store.paths import RUN_ID, JobPaths, RunPaths
from core.store.records import ACTIVE, ENDED

__all__ = ["JobState", "active_jobs", "list_jobs", "start_job", "stop_job", "wait_job"]


def start_job(workspace: Workspace, run: RunPaths, kind: str, content: Mapping[str, Any]) -> JobPaths:
    """Create a job of a run and start it as soon as a slot is free.

    `content` goes into job.json; its `device` and `gpus` say which slot it takes, by default the run's.
    Raises MissingGpuError for a GPU that is not there, StateError for a run of a newer format,
    StateFolderError.
    """
    require_gpus(content.get("gpus"))
    require_state_home()
    register(workspace)
    job = jobs.create_job(run, kind, content)
    dispatch()
    return job


def stop_job(job: JobPaths, *, kill: bool = False) -> None:
    """Ask a job to stop after what it has in hand, or kill it. Pressing twice is harmless.

    Raises StateError when it has ended.
    """
    request_job_stop(job, kill)
    tell_to_stop(job, job_lock_path(job, "sup"), kill=kill)


def wait_job(job: JobPaths, timeout: float | None = None, interval: float = 0.2) -> JobState:
    """Block until a job has ended or `timeout` seconds are over; returns its state then."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        found = read_job(job)
        if found.state in ENDED or (deadline is not None and time.monotonic() >= deadline):
            return found
        time.sleep(interval)


def active_jobs(workspace: Workspace) -> list[JobState]:
    """The jobs of all runs that wait or run, oldest first. One look into each run's folder."""
    try:
        names = [name for name in os.listdir(workspace.runs) if RUN_ID.fullmatch(name)]
    except OSError:
        return []
    found = [job for name in names for job in list_jobs(RunPaths(workspace.runs / name))]
    return sorted(
        (job for job in found if job.state in ACTIVE), key=lambda job: (job.created, job.job.run.id, job.name)
    )
