"""Records of steps, four a second and one at an epoch's end: cheap, and a chart still moves."""

from __future__ import annotations

import time

from core.engine.optim import rate_record
from core.engine.state import LossGuard, TrainState
from core.store.metrics import MetricsWriter

_INTERVAL = 0.25


class StepRecorder:
    """Writes `scope: step` records.

    `train/loss` and `train/accuracy` are means over the images since the last such record; `time/step` and
    `images/s` are of the same span. `step_in_epoch` of `steps_per_epoch` says how far the epoch is.
    """

    def __init__(
        self, metrics: MetricsWriter, guard: LossGuard, *, attempt: int, steps_per_epoch: int
    ) -> None:
        self._metrics = metrics
        self._guard = guard
        self._attempt = attempt
        self._steps_per_epoch = steps_per_epoch
        self._next = 0.0
        self._last_time = 0.0
        self._last_images = 0
        self._last_step = 0
        self._last_totals: dict[str, float] = {}

    def start(self, state: TrainState) -> None:
        """Begin a span here: at an epoch's start or after a resume."""
        self._last_time = time.monotonic()
        self._next = self._last_time + _INTERVAL
        self._mark(state, state.sums.read())

    def after_step(self, state: TrainState) -> None:
        """Write a record if a quarter of a second has passed, or the epoch's steps are done.

        Raises NonFiniteLossError (seen late).
        """
        now = time.monotonic()
        if now < self._next and state.step_in_epoch < self._steps_per_epoch:
            return
        epoch = state.epochs_done + 1
        self._guard.check(epoch)
        totals = state.sums.read()
        # Reading may have waited for the device.
        now = time.monotonic()
        span, images = now - self._last_time, state.sums.images - self._last_images
        steps = state.step - self._last_step
        self._metrics.write(
            {
                "t": time.time(),
                "epoch": epoch,
                "step": state.step,
                "attempt": self._attempt,
                "scope": "step",
                "step_in_epoch": state.step_in_epoch,
                "steps_per_epoch": self._steps_per_epoch,
                **{
                    f"train/{name}": (total - self._last_totals.get(name, 0.0)) / images
                    for name, total in totals.items()
                },
                **rate_record(state.optimizer),
                "time/step": span / steps,
                "images/s": images / max(span, 1e-9),
            }
        )
        self._last_time = now
        self._next = now + _INTERVAL
        self._mark(state, totals)

    def _mark(self, state: TrainState, totals: dict[str, float]) -> None:
        self._last_images, self._last_step, self._last_totals = state.sums.images, state.step, totals
