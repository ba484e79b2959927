"""The one training loop: steps, an epoch's end, checkpoints; all it knows of a task is its protocol."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from core.data.cache import Cancelled
from core.engine.checkpoint import DataKey, serialise
from core.engine.log import log, told
from core.engine.measure_files import write_outputs
from core.engine.optim import rate_record
from core.engine.optimizer_step import follow_schedule, take_step
from core.engine.recorder import StepRecorder
from core.engine.resolve import Resolved
from core.engine.state import LossGuard, TrainState
from core.engine.task import Measurement, Task
from core.errors import LabError
from core.humanise import duration
from core.metrics import Mode
from core.os_errors import reason
from core.store.checkpoints import save_files
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths, checkpoint_id
from core.store.retention import prune


@dataclass(frozen=True)
class LoopSettings:
    """What the loop has to know beside the task; metrics by names like `val/accuracy`.

    `train_mode` puts a model into training mode. A checkpoint is saved after `checkpoint_every` epochs, and
    whenever an epoch is the best so far; `keep` newest checkpoints stay, and `start`, which the
    attempt began from.
    """

    total_epochs: int
    attempt: int
    metric: str
    metric_mode: Mode
    plateau_metric: str
    checkpoint_every: int
    measure_every: int
    measure_splits: tuple[str, ...]
    about: Mapping[str, str]
    key: DataKey
    train_mode: Callable[[nn.Module], None]
    keep: int | Literal["all"] = "all"
    start: str | None = None


class Loop:
    """Trains `state` to `settings.total_epochs`, or until patience ends, from wherever it stands.

    At an epoch's end: measure; schedule and best; checkpoint into memory; metrics record; measure rows and
    predictions; checkpoint file. So whatever a crash leaves, the last checkpoint goes on to the same result.
    """

    def __init__(
        self,
        run: RunPaths,
        task: Task,
        state: TrainState,
        metrics: MetricsWriter,
        resolved: Resolved,
        settings: LoopSettings,
        stop: Callable[[], bool],
    ) -> None:
        self._run = run
        self._task = task
        self._state = state
        self._metrics = metrics
        self._resolved = resolved
        self._settings = settings
        self._stop = stop
        self._guard = LossGuard()
        self._recorder = StepRecorder(
            metrics, self._guard, attempt=settings.attempt, steps_per_epoch=task.steps_per_epoch
        )
        self._saved_step = -1

    def run(self, *, saved: bool) -> bool:
        """True when training is complete, False when asked to stop; a checkpoint is saved then.

        `saved`: the state as it stands is a checkpoint already. Raises NonFiniteLossError, RunFailedError
        (disk full), DataError.
        """
        state = self._state
        self._saved_step = state.step if saved else -1
        while state.epochs_done < self._settings.total_epochs and not state.ends_early:
            if not (self._train_epoch() and self._end_epoch()):
                if self._saved_step != state.step:
                    state.require_finite()
                    self._save(mid_epoch=True, metrics={})
                return False
        return True

    def _train_epoch(self) -> bool:
        """Take the rest of the epoch's steps; False when asked to stop before its last one."""
        state, task, stop = self._state, self._task, self._stop
        model, sums = state.model, state.sums
        guard, recorder = self._guard, self._recorder
        epoch = state.epochs_done + 1
        moving = state.schedule.every_step
        self._settings.train_mode(model)
        follow_schedule(state)
        begun = time.monotonic() - sums.seconds
        recorder.start(state)
        for batch in task.batches(epoch, state.step_in_epoch):
            if stop():
                sums.seconds = time.monotonic() - begun
                guard.check(epoch)
                return False
            if moving:
                follow_schedule(state)
            outcome = task.step(model, batch)
            guard.see(outcome.loss, epoch, state.step + 1, outcome.parts)
            take_step(state, outcome.loss)
            sums.add(outcome.totals, outcome.images, outcome.answers)
            state.step += 1
            state.step_in_epoch += 1
            recorder.after_step(state)
        sums.read()
        guard.check(epoch)
        sums.seconds = time.monotonic() - begun
        return True

    def _end_epoch(self) -> bool:
        """Measure, judge, record and save; False when asked to stop before all was measured.

        The epoch is then still under way, after its last step.
        """
        state, settings = self._state, self._settings
        epoch = state.epochs_done + 1
        state.require_finite()
        rates = rate_record(state.optimizer)
        train_seconds, images = state.sums.seconds, state.sums.images
        begun = time.monotonic()
        last = epoch >= settings.total_epochs
        measured: dict[str, Measurement] = {}
        if last or epoch % settings.measure_every == 0:
            try:
                measured = self._measure()
            except Cancelled:
                return False
        values = state.sums.means()
        if "val" in measured:
            values |= {f"val/{name}": value for name, value in measured["val"].metrics.items()}
        self._judge(epoch, values)
        last = last or state.ends_early
        state.epochs_done, state.step_in_epoch = epoch, 0
        seconds = train_seconds + time.monotonic() - begun
        record = {
            **values,
            **state.sums.norm(),
            **rates,
            "time/epoch": seconds,
            "time/step": train_seconds / self._task.steps_per_epoch,
            "images/s": images / train_seconds if train_seconds else 0.0,
        }
        state.sums.reset()
        due = last or epoch % settings.checkpoint_every == 0 or self._stop()
        is_best = state.best is not None and state.best.epoch == epoch
        data = self._serialise() if due or is_best else None
        sha256 = hashlib.sha256(data).hexdigest() if data is not None else ""
        self._metrics.write({**self._stamp(epoch), "scope": "epoch", **record})
        self._metrics.sync()
        identifier = checkpoint_id(settings.attempt, epoch)
        for split, measurement in measured.items():
            if split in settings.measure_splits:
                write_outputs(self._run, identifier, sha256, split, measurement, tell=log)
        if data is not None:
            about = {} if due else {"saved_for": "best"}
            self._write(identifier, data, sha256, epoch, mid_epoch=False, metrics=values, about=about)
        self._tell(epoch, values, seconds)
        return True

    def _measure(self) -> dict[str, Measurement]:
        """The splits that are measured at an epoch's end. Raises Cancelled."""
        splits = ("val", *(name for name in self._settings.measure_splits if name != "val"))
        with self._state.measured() as model:
            return {
                split: self._task.measure(model, split, extras=split == "val")
                for split in splits
                if split in self._task.splits
            }

    def _judge(self, epoch: int, values: Mapping[str, float]) -> None:
        """Schedule, patience and best, by the values of this epoch that there are."""
        state, settings = self._state, self._settings
        watched = values.get(settings.plateau_metric)
        if state.plateau is not None and watched is not None and state.schedule.watches(epoch):
            state.plateau.step(watched)
        value = values.get(settings.metric)
        if value is not None:
            state.judge(value, epoch, settings.metric_mode)

    def _save(self, *, mid_epoch: bool, metrics: Mapping[str, float]) -> None:
        state = self._state
        epoch = state.epochs_done + 1 if mid_epoch else state.epochs_done
        data = self._serialise()
        identifier = checkpoint_id(self._settings.attempt, epoch, state.step if mid_epoch else None)
        self._write(
            identifier, data, hashlib.sha256(data).hexdigest(), epoch, mid_epoch=mid_epoch, metrics=metrics
        )

    def _serialise(self) -> bytes:
        return serialise(self._state, self._settings.key, self._resolved, self._settings.about)

    def _write(
        self,
        identifier: str,
        data: bytes,
        sha256: str,
        epoch: int,
        *,
        mid_epoch: bool,
        metrics: Mapping[str, float],
        about: Mapping[str, str] | None = None,
    ) -> None:
        save_files(
            self._run,
            identifier,
            data,
            {
                "id": identifier,
                "attempt": self._settings.attempt,
                "epoch": epoch,
                "step": self._state.step,
                "bytes": len(data),
                "sha256": sha256,
                "metrics": dict(metrics),
                "time": time.time(),
                "mid_epoch": mid_epoch,
                **(about or {}),
            },
        )
        self._saved_step = self._state.step
        self._prune(identifier)

    def _prune(self, saved: str) -> None:
        """Let go of checkpoints that the config does not keep; a fault there is no reason to stop."""
        protect = {saved, self._settings.start or saved}
        try:
            prune(self._run, self._settings.keep, protect)
        except OSError as error:
            log(f"note: older checkpoints could not be removed: {reason(error)}")
        except LabError as error:
            log(f"note: no checkpoint was removed, because it is not known which must stay: {error}")

    def _stamp(self, epoch: int) -> dict[str, float]:
        return {
            "t": time.time(),
            "epoch": epoch,
            "step": self._state.step,
            "attempt": self._settings.attempt,
        }

    def _tell(self, epoch: int, values: Mapping[str, float], seconds: float) -> None:
        numbers = told(values, self._task.quiet)
        best = self._state.best
        mark = "  best" if best is not None and best.epoch == epoch else ""
        log(f"epoch {epoch}/{self._settings.total_epochs}  {numbers}  {duration(seconds)}{mark}")
