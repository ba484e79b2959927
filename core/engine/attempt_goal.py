"""What an attempt is to do, out of its request and the run's config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.config.resolve_defaults import resolve_metric, resolve_scheduler_metric
from core.config.schema import Experiment
from core.datasets.dataset import Dataset
from core.errors import DataError, StateError
from core.metrics import Mode, as_mode
from core.store.attempts import read_attempt
from core.store.checkpoints import choose
from core.store.paths import RunPaths
from core.store.records import Checkpoint, Request
from core.store.runs import requests

_TOP = 5


@dataclass(frozen=True)
class Goal:
    """What an attempt is to do. `metric` is what best means, `plateau` what the schedule watches.

    `asked_anew`: the start checkpoint is of a finished attempt, so that more was asked for on purpose.
    """

    request: Request
    attempt: int
    start: Checkpoint | None
    fork: bool
    metric: str
    mode: Mode
    plateau: str
    asked_anew: bool

    @property
    def epochs_done(self) -> int:
        """Complete epochs of the start checkpoint."""
        return 0 if self.start is None else self.start.epoch - self.start.mid_epoch

    @property
    def total_epochs(self) -> int:
        """The epoch to end at."""
        return self.request.total_epochs


def read_goal(run: RunPaths, attempt: int, spec: dict[str, Any], experiment: Experiment) -> Goal:
    """The goal of an attempt. Raises StateError (no such request), CheckpointError (no such start)."""
    number = read_attempt(run, attempt).request
    request = next((item for item in requests(run) if item.number == number), None)
    if request is None or request.problem:
        raise StateError(f"Attempt {attempt} of run {run.id} names request {number}, which cannot be read.")
    start = None if request.start is None else choose(run, request.start)
    metric = spec.get("metric")
    if not isinstance(metric, str):
        metric = resolve_metric(experiment)
    return Goal(
        request=request,
        attempt=attempt,
        start=start,
        fork=start is not None and start.attempt == 0 and spec.get("parent") is not None,
        metric=metric,
        mode=as_mode(spec.get("metric_mode"), metric),
        plateau=resolve_scheduler_metric(experiment),
        asked_anew=start is not None and read_attempt(run, start.attempt).status == "finished",
    )


def require_metrics(experiment: Experiment, dataset: Dataset, goal: Goal) -> None:
    """Check that what decisions rest on will be measured. Raises DataError."""
    watched = {"metric": goal.metric}
    if experiment.scheduler.kind.needs_metric:
        watched[f"scheduler {experiment.scheduler.name}"] = goal.plateau
    if experiment.early_stop is not None:
        watched["early_stop"] = goal.metric
    for what, metric in watched.items():
        if metric.startswith("val/") and "val" not in dataset.splits and what != "metric":
            raise DataError(f"{what} watches {metric}, but the data have no validation images.")
        if metric == "val/top5" and len(dataset.class_names) <= _TOP:
            raise DataError(
                f"{what}: {metric} means nothing with {len(dataset.class_names)} classes: use val/accuracy."
            )
