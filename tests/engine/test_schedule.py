"""Learning rates: as torch's schedulers have them, held beyond the horizon, new for a fork."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from core.config.load import parse_experiment
from core.config.schedulers import SCHEDULERS, Scheduler
from core.engine.classification import Classification
from core.engine.schedule import Origin, Schedule, plateau_of
from core.store.metrics import MetricsTail, read_history

SPE, EPOCHS = 7, 6
TOTAL = SPE * EPOCHS
BASES = (0.1, 0.003)


def schedule(origin: Origin | None = None, **settings: Any) -> Schedule:
    return Schedule(Scheduler(**settings), BASES, SPE, EPOCHS, origin or Origin())


def ours(plan: Schedule, epochs: int = EPOCHS) -> list[tuple[float, ...]]:
    places = itertools.product(range(epochs), range(SPE))
    return [rates for place in places if (rates := plan.rates(*place)) is not None]


def theirs(make: Callable[[torch.optim.Optimizer], Any], steps: int, per_epoch: bool = False) -> Any:
    """The rates that a scheduler of torch gives for each of `steps`."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": base} for base in BASES]
    optimizer = torch.optim.SGD(groups)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(tuple(float(group["lr"]) for group in optimizer.param_groups))
        optimizer.step()
        if not per_epoch or step % SPE == SPE - 1:
            scheduler.step()
    return rates


def close(got: list[tuple[float, ...]], want: list[tuple[float, ...]]) -> None:
    assert len(got) == len(want)
    for pair, other in zip(got, want, strict=True):
        assert pair == pytest.approx(other, rel=1e-9, abs=1e-15)


def test_every_setting_is_read_by_a_schedule() -> None:
    read = {key for kind in SCHEDULERS.values() for key in kind.keys}
    assert {"name", *read} == set(Scheduler.model_fields)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_only_a_schedule_that_judges_a_metric_has_a_state(name: str) -> None:
    base = parse_experiment("data: {root: /data}\nmodel: tinyvgg_a\n", Path("c.yaml"))
    experiment = base.model_copy(update={"scheduler": Scheduler(name=name, min_lr=0.001)})
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    judge = plateau_of(optimizer, experiment, "max")
    kind = SCHEDULERS[name]
    assert (judge is not None) == kind.needs_metric == ("metric" in kind.keys)
    if judge is not None:
        assert type(judge).__name__ == kind.torch_class
        state = judge.state_dict()
        assert {key: state[key] for key in ("mode", "factor", "patience")} == {
            "mode": "max",
            "factor": 0.1,
            "patience": 3,
        }
        assert state["min_lrs"] == [0.001]


def test_none_keeps_the_rates() -> None:
    plan = schedule(name="none")
    assert ours(plan) == [BASES] * TOTAL
    assert not plan.every_step


@pytest.mark.parametrize("every", [1, 2, 10])
def test_step_is_that_of_torch(every: int) -> None:
    plan = schedule(name="step", every=every, factor=0.5)
    close(ours(plan), theirs(lambda o: lr_scheduler.StepLR(o, every, 0.5), TOTAL, per_epoch=True))


@pytest.mark.parametrize("min_lr", [0.0, 0.001])
def test_cosine_is_that_of_torch(min_lr: float) -> None:
    plan = schedule(name="cosine", min_lr=min_lr)
    close(ours(plan), theirs(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=min_lr), TOTAL))


def test_cosine_never_rises_to_a_least_rate_above_its_own() -> None:
    assert [pair[1] for pair in ours(schedule(name="cosine", min_lr=0.05))] == [0.003] * TOTAL


@pytest.mark.parametrize("peak", [0.01, 0.3, 0.5, 0.99])
def test_onecycle_is_that_of_torch(peak: float) -> None:
    plan = schedule(name="onecycle", peak=peak)
    want = theirs(
        lambda o: lr_scheduler.OneCycleLR(
            o, list(BASES), total_steps=TOTAL, pct_start=peak, cycle_momentum=False
        ),
        TOTAL,
    )
    close(ours(plan), want)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_onecycle_of_a_few_steps(total: int) -> None:
    """Where the rise has no steps of its own (peak x total = 1), the first one is at the top."""
    plan = Schedule(Scheduler(name="onecycle", peak=1 / total if total > 1 else 0.3), (1.0,), total, 1)
    rates = [(plan.rates(0, step) or (0.0,))[0] for step in range(total)]
    assert rates == pytest.approx([[1.0], [1.0, 4e-6], [1.0, 0.500002, 4e-6]][total - 1])


@pytest.mark.parametrize("name", ["none", "cosine"])
def test_warmup_is_linear_and_comes_first(name: str) -> None:
    warmup = 10
    plan = schedule(name=name, warmup=warmup / SPE)

    def chain(optimizer: torch.optim.Optimizer) -> Any:
        rise = lr_scheduler.LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1)
        after = (
            lr_scheduler.CosineAnnealingLR(optimizer, TOTAL - warmup)
            if name == "cosine"
            else lr_scheduler.ConstantLR(optimizer, 1.0, 1)
        )
        return lr_scheduler.SequentialLR(optimizer, [rise, after], [warmup])

    close(ours(plan), theirs(chain, TOTAL))
    assert ours(plan)[0] == pytest.approx(tuple(base / warmup for base in BASES))
    assert ours(plan)[warmup - 1] == BASES


def test_plateau_has_only_its_warmup_here() -> None:
    plan = schedule(name="plateau", warmup=1.5)
    assert [plan.rates(epoch, step) is None for epoch, step in [(0, 6), (1, 2), (1, 3)]] == [
        False,
        False,
        True,
    ]
    assert [plan.watches(epoch) for epoch in (1, 2, 3)] == [False, True, True]
    assert all(schedule(name="plateau").watches(epoch) for epoch in (1, 2))


@pytest.mark.parametrize("name", [name for name, kind in SCHEDULERS.items() if kind.factor])
def test_beyond_the_horizon_the_last_rate_is_held(name: str) -> None:
    plan = schedule(name=name, every=2)
    last = plan.rates(EPOCHS - 1, SPE - 1)
    assert all(plan.rates(EPOCHS + epoch, step) == last for epoch in range(5) for step in (0, 3, 6))


@pytest.mark.parametrize("name", [name for name, kind in SCHEDULERS.items() if kind.factor])
@pytest.mark.parametrize("step", [0, 3])
def test_from_another_origin_it_begins_anew(name: str, step: int) -> None:
    """A fork at epoch 2 of 6, or in the middle of epoch 3, goes through the whole shape in what is left."""
    plan = schedule(Origin(2, step), name=name, every=2)
    left = TOTAL - 2 * SPE - step
    assert plan.total == left
    got = [plan.rates(2 + place // SPE, place % SPE) for place in range(step, step + left)]
    if name == "step":
        assert got == [BASES] * (2 * SPE - step) + [got[-1]] * 2 * SPE
        assert got[-1] == pytest.approx((0.01, 0.0003))
    else:
        alone = Schedule(plan.settings, BASES, left, 1)
        assert got == [alone.rates(0, place) for place in range(left)]


def rows(run: Any) -> list[float]:
    return [row["lr"] for row in read_history(run.metrics).epochs]


def test_a_run_records_the_rate_of_each_epochs_last_step(lab: Any) -> None:
    run = lab.train("scheduler={name: cosine, min_lr: 0.001}", "epochs=3")
    want = theirs_cosine(3 * SPE)
    assert rows(run) == pytest.approx([want[SPE - 1], want[2 * SPE - 1], want[3 * SPE - 1]])
    steps = [row for row in MetricsTail(run.metrics).read()[0] if row["scope"] == "step"]
    assert all(row["lr"] == pytest.approx(want[row["step"] - 1]) for row in steps)


def theirs_cosine(total: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=0.001)
    rates = []
    for _ in range(total):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def test_longer_than_planned_holds_the_rate_and_says_so(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = lab.train("scheduler={name: step, every: 1, factor: 0.5}", "epochs=3")
    lab.resume(run, total=5)
    assert rows(run) == pytest.approx([0.02, 0.01, 0.005, 0.005, 0.005])
    assert "schedule ends at epoch 3 and the learning rate stays constant after it" in capsys.readouterr().out


def test_a_fork_begins_its_schedule_at_its_start_even_after_a_stop(lab: Any, stop_after: Any) -> None:
    parent = lab.train("epochs=2")
    change = ("scheduler={name: step, every: 1, factor: 0.1}", "epochs=4")
    fork = lab.fork(parent, "2", *change, total=4)
    lab.attempt(fork, stop_after(SPE + 3))
    lab.resume(fork, total=4)
    assert rows(fork) == pytest.approx([0.02, 0.02, 0.02, 0.002])


@pytest.fixture
def never_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every validation says the same."""
    original = Classification.measure

    def measure(self: Classification, model: Any, split: str, **extras: Any) -> Any:
        return replace(original(self, model, split, **extras), metrics={"accuracy": 0.5, "loss": 1.0})

    monkeypatch.setattr(Classification, "measure", measure)


@pytest.mark.some(2)
@pytest.mark.usefixtures("never_better")
@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ("patience: 0, factor: 0.1, min_lr: 1e-3", [0.02, 0.02, 0.002, 0.001, 0.001, 0.001]),
        ("patience: 1, factor: 0.5", [0.02, 0.02, 0.02, 0.01, 0.01, 0.005]),
        ("patience: 0, factor: 0.5, warmup: 2", [0.01, 0.02, 0.02, 0.02, 0.01, 0.005]),
        ("patience: 0, factor: 0.5, warmup: 0.5", [0.02, 0.02, 0.01, 0.005, 0.0025, 0.00125]),
    ],
)
def test_plateau(lab: Any, settings: str, want: list[float]) -> None:
    """Its least rate holds, and it judges no epoch of the warm-up."""
    run = lab.train(f"scheduler={{name: plateau, {settings}}}", "epochs=6")
    assert rows(run) == pytest.approx(want)
