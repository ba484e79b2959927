"""The engine takes the same value for better as everything that reads its records."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch

from core.config.schema import DataConfig, EarlyStop, Experiment, Scheduler
from core.engine.early_stop import Patience
from core.engine.schedule import plateau_of, schedule_of
from core.engine.state import TrainState
from core.metrics import METRICS, mode_of

NAMES = [metric.name if "/" in metric.name else f"val/{metric.name}" for metric in METRICS]
NAMES += ["val/loss_random", "train/loss_box", "val/top1_error", "val/f2_macro", "my score"]


def state_of(mode: str) -> TrainState:
    experiment = Experiment(
        data=DataConfig(root=Path("/data/x")),
        model="tinyvgg_a",
        scheduler=Scheduler(name="plateau", patience=0, factor=0.5),
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    direction: Literal["min", "max"] = "min" if mode == "min" else "max"
    return TrainState(
        model=torch.nn.Identity(),
        optimizer=optimizer,
        schedule=schedule_of(experiment, (1.0,), 10),
        plateau=plateau_of(optimizer, experiment, direction),
        patience=Patience(EarlyStop(patience=2), direction),
    )


@pytest.mark.parametrize("name", NAMES)
def test_best_patience_and_plateau_agree(name: str) -> None:
    """Three values that get better change nothing; two worse ones lower the rate and spend patience."""
    mode = mode_of(name)
    better = [0.3, 0.2, 0.1] if mode == "min" else [0.1, 0.2, 0.3]
    worse = [0.9, float("nan")] if mode == "min" else [0.05, float("nan")]
    state = state_of(mode)
    assert state.plateau is not None
    for epoch, value in enumerate(better, 1):
        state.judge(value, epoch, mode)
        state.plateau.step(value)
        assert state.best is not None
        assert (state.best.epoch, state.best.value) == (epoch, value)
    assert state.optimizer.param_groups[0]["lr"] == 1.0
    for epoch, value in enumerate(worse, 4):
        state.judge(value, epoch, mode)
        state.plateau.step(value)
    assert state.best is not None
    assert state.best.epoch == 3
    assert state.ends_early
    assert state.optimizer.param_groups[0]["lr"] == 0.25
