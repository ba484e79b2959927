"""The test split, which no decision rests on: measured once, at the end, with the best checkpoint."""

from __future__ import annotations

import time

from core.datasets.dataset import Dataset
from core.engine.checkpoint import load_model, read_checkpoint
from core.engine.class_match import Outputs
from core.engine.log import log, told
from core.engine.measure_files import read_measure, write_outputs
from core.engine.state import TrainState
from core.engine.task import Task
from core.errors import CheckpointError
from core.store.checkpoints import Chosen, look_up
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths


def test_outstanding(run: RunPaths, dataset: Dataset) -> bool:
    """Whether there is a test split of its own that the best checkpoint has not been measured on."""
    if not _has_test(dataset):
        return False
    best = _best(run).checkpoint
    return read_measure(run, best.id, best.sha256, "test") is None


def measure_test(
    run: RunPaths,
    dataset: Dataset,
    task: Task,
    state: TrainState,
    metrics: MetricsWriter,
    attempt: int,
    outputs: Outputs,
) -> None:
    """Measure the test split unless that was done: a `scope: final` record, then measure row and predictions.

    Puts the best checkpoint's weights into `state.model`, so training cannot go on after it.
    """
    if not test_outstanding(run, dataset):
        return
    found = _best(run)
    best = found.checkpoint
    if found.note:
        log(f"note: {found.note}")
    for note in load_model(run, best, read_checkpoint(run, best), state.model, outputs):
        log(f"note: {best.id}: {note}")
    measured = task.measure(state.model, "test", extras=True)
    values = {f"test/{name}": value for name, value in measured.metrics.items()}
    stamp = {"t": time.time(), "epoch": best.epoch, "step": best.step, "attempt": attempt, "scope": "final"}
    metrics.write({**stamp, "checkpoint": best.id, **values})
    metrics.sync()
    write_outputs(run, best.id, best.sha256, "test", measured)
    log(f"test images, once, with {best.id}: {told(values, task.quiet)}")


def _has_test(dataset: Dataset) -> bool:
    test, val = dataset.splits.get("test"), dataset.splits.get("val")
    return test is not None and (val is None or val.paths != test.paths)


def _best(run: RunPaths) -> Chosen:
    try:
        return look_up(run, "best")
    except CheckpointError:
        return look_up(run, "last")
