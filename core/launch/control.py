"""Start, resume, fork, stop and wait: what the command line and the screens do to runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.config.workspace import Workspace, require_state_home
from core.launch.dispatch import dispatch
from core.launch.fitting import require_fit
from core.launch.model_files import inherited_code, read_code, require_weights
from core.launch.plan import ResumePlan, plan_resume
from core.launch.queue import register
from core.launch.slots import require_gpus
from core.metrics import mode_of
from core.store.files import peek_json
from core.store.forks import inherited_id, prepare_fork
from core.store.locks import is_held, run_lock_path
from core.store.paths import AttemptPaths, RunPaths
from core.store.process import from_json, send
from core.store.records import ENDED, DerivedState
from core.store.runs import add_request, create_run, request_stop
from core.store.state import derive_state

if TYPE_CHECKING:
    from core.config.load import Loaded
    from core.config.schema import Experiment

__all__ = ["ResumePlan", "plan_resume", "resume_run", "start_run", "stop_run", "wait_run"]


def start_run(workspace: Workspace, loaded: Loaded, *, argv: Sequence[str], name: str = "") -> RunPaths:
    """Create a run of a config and start it as soon as a slot is free.

    Raises DataError when the data folder is not there or does not fit the model, UsageError when the file of
    a network of the user's own is not there, or that of its weights, or a GPU that the config names,
    StateFolderError when it could not be queued: nothing is made then.
    """
    from core.datasets.open import require_data

    experiment = loaded.experiment
    require_data(experiment)
    require_gpus(experiment.gpus)
    require_weights(experiment.weights)
    code = read_code(experiment.model)
    _ready(workspace)
    run = _create(workspace, experiment, loaded.name, argv=argv, code=code, name=name)
    dispatch()
    return run


def resume_run(
    workspace: Workspace,
    run: RunPaths,
    *,
    start: str = "last",
    total: int | None = None,
    more: int | None = None,
    overrides: Sequence[str] = (),
    fork: bool = False,
    argv: Sequence[str] = (),
    tell: Callable[[str], None] = lambda note: None,
) -> RunPaths:
    """Go on with a run from one of its checkpoints, or fork it; returns the run that trains.

    A changed result setting always forks. A fork takes the parent's copy of a network of the user's own along
    unless `model` changed; `tell` gets sentences on what becomes of its weights. Raises StateError,
    CheckpointError, ConfigError or UsageError as `plan_resume` does; CheckpointError also where a fork's
    network or data do not take the weights.
    """
    plan = plan_resume(run, start=start, total=total, more=more, overrides=overrides, fork=fork)
    _ready(workspace)
    if plan.forks:
        assert plan.start is not None, "a fork has a checkpoint"
        checkpoint = plan.start
        changed = (*plan.changes.result, *plan.changes.operational)
        require_gpus(plan.experiment.gpus)
        for note in require_fit(run, checkpoint, plan.experiment, changed):
            tell(note)
        forked = _create(
            workspace,
            plan.experiment,
            plan.config_name,
            argv=argv,
            code=read_code(plan.experiment.model) if "model" in changed else inherited_code(run),
            parent={"run": run.id, "checkpoint": checkpoint.id},
            start=inherited_id(checkpoint),
            prepare=lambda new: prepare_fork(run, checkpoint, new, changed),
        )
        dispatch()
        return forked
    add_request(run, plan.start.id if plan.start else None, plan.total_epochs)
    dispatch()
    return run


def stop_run(run: RunPaths, *, kill: bool = False) -> None:
    """Ask a run to save and stop, or kill it. Pressing twice is harmless.

    Raises StateError when the run does not run or wait.
    """
    state = derive_state(run)
    request_stop(run, kill=kill)
    if state.attempt:
        tell_to_stop(run.attempt(state.attempt), run_lock_path(run, "sup"), kill=kill)


def tell_to_stop(attempt: AttemptPaths, supervisor_lock: Path, *, kill: bool) -> None:
    """Signal the process of an attempt or a job that was asked to stop; its supervisor does the killing."""
    started = peek_json(attempt.start) or {}
    trainer = from_json(started.get("trainer"))
    if trainer is None:
        return
    if not kill:
        send(trainer, signal.SIGTERM)
    elif not is_held(supervisor_lock):
        # Nobody watches for the kill request any more.
        send(trainer, signal.SIGKILL)


def wait_run(run: RunPaths, timeout: float | None = None, interval: float = 0.2) -> DerivedState:
    """Block until the run has ended or `timeout` seconds are over; returns the state then."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        state = derive_state(run)
        if state.state in ENDED or (deadline is not None and time.monotonic() >= deadline):
            return state
        time.sleep(interval)


def _ready(workspace: Workspace) -> None:
    """Find out before anything is made whether it can be queued. Raises StateFolderError, OSError."""
    require_state_home()
    register(workspace)


def _create(
    workspace: Workspace,
    experiment: Experiment,
    config_name: str,
    *,
    argv: Sequence[str],
    code: tuple[str, bytes] | None,
    name: str = "",
    parent: dict[str, str] | None = None,
    start: str | None = None,
    prepare: Callable[[RunPaths], None] | None = None,
) -> RunPaths:
    from core.config.load import dump
    from core.config.resolve_defaults import resolve_metric

    metric = resolve_metric(experiment)
    return create_run(
        workspace,
        config_name=config_name,
        config_text=dump(experiment),
        model=experiment.model,
        metric=metric,
        metric_mode=mode_of(metric),
        total_epochs=experiment.epochs,
        argv=list(argv),
        name=name,
        tags=tuple(experiment.tags),
        parent=parent,
        start=start,
        device=experiment.device,
        gpus=experiment.gpus,
        mode=experiment.mode,
        log=experiment.log.model_dump(),
        code=code,
        prepare=prepare,
    )
