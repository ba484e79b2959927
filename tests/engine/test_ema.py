"""Averaged weights: their formula, and that they are what is measured."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.config.load import parse_experiment
from core.config.schema import Scheduler
from core.engine.build import build
from core.engine.checkpoint import load_model, model_state, read_checkpoint
from core.engine.class_match import Outputs
from core.engine.ema import Ema
from core.engine.optimizer_step import take_step
from core.engine.resolve import read_resolved
from core.engine.schedule import Schedule
from core.engine.state import TrainState
from core.store.checkpoints import choose
from core.store.metrics import read_history


def test_formula() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    ema = Ema(model, 0.6)
    want = {name: value.clone().double() for name, value in model.state_dict().items()}
    for update in range(1, 30):
        with torch.no_grad():
            for value in model.state_dict().values():
                value.add_(1 if value.dtype == torch.int64 else 0.1 * update)
        ema.update(model)
        decay = min(0.6, (1 + update) / (10 + update))
        for name, value in model.state_dict().items():
            want[name] = decay * want[name] + (1 - decay) * value.double()
            if value.dtype == torch.int64:
                want[name] = value.double()
    for name, value in ema.as_dict()["model"].items():
        assert value.double().numpy() == pytest.approx(want[name].numpy(), rel=1e-5)
    assert ema.as_dict()["model"]["1.num_batches_tracked"].dtype == torch.int64


def test_weights_that_stay_are_averaged_to_themselves() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(50, 50)
    ema = Ema(model, 0.9)
    for _ in range(20):
        ema.update(model)
    assert torch.equal(ema.as_dict()["model"]["weight"], model.weight)


def test_applied_gives_the_weights_back() -> None:
    model = torch.nn.Linear(2, 2)
    ema = Ema(model, 0.9)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    with ema.applied(model):
        assert torch.equal(model.weight, before)
    assert torch.equal(model.weight, before + 1)

    def fail() -> None:
        with ema.applied(model):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(model.weight, before + 1)


def test_measured_is_the_average(lab: Any) -> None:
    run = lab.train("ema=0.9")
    last = choose(run, "last")
    content = read_checkpoint(run, last)
    average, weights = model_state(content), content["model"]
    assert average is content["ema"]["model"]
    assert not torch.equal(average["features.0.0.weight"], weights["features.0.0.weight"])
    experiment = parse_experiment(run.config.read_text(), run.config)
    resolved = read_resolved(run)
    assert resolved is not None
    model = build(run, experiment, 3, resolved)
    load_model(run, last, content, model, Outputs(experiment, ("class0", "class1", "class2")))
    for name, value in model.state_dict().items():
        assert torch.equal(value, average[name])


def test_it_changes_what_is_measured_but_not_what_is_trained(lab: Any) -> None:
    """Under a constant schedule, training goes the same way with and without an average."""
    plain, averaged = lab.train(), lab.train("ema=0.9")
    ours, theirs = (read_history(run.metrics).epochs for run in (averaged, plain))
    assert [row["train/loss"] for row in ours] == [row["train/loss"] for row in theirs]
    assert [row["val/loss"] for row in ours] != [row["val/loss"] for row in theirs]


def test_a_fork_takes_the_average_along_or_begins_one(lab: Any) -> None:
    parent = lab.train("ema=0.9", "epochs=1")
    taken = lab.fork(parent, "1", "learning_rate=0.01", total=2)
    lab.attempt(taken)
    assert read_checkpoint(taken, choose(taken, "2"))["ema"]["updates"] == 14
    dropped = lab.fork(parent, "1", "ema=null", total=2)
    lab.attempt(dropped)
    assert read_checkpoint(dropped, choose(dropped, "2"))["ema"] is None
    begun = lab.fork(dropped, "2", "ema=0.5", total=3)
    lab.attempt(begun)
    assert read_checkpoint(begun, choose(begun, "3"))["ema"]["updates"] == 7


def test_the_test_images_are_measured_with_the_average(lab: Any) -> None:
    """As validation is, when validation happens to be on the same images."""
    run, twin = lab.train("ema=0.9"), lab.train("ema=0.9", "data.val=test", "metric=val/loss", "epochs=3")
    best = choose(run, "best")
    same = choose(twin, str(best.epoch))
    assert read_history(run.metrics).finals[0]["test/loss"] == same.metrics["val/loss"]


def test_no_average_moves_with_a_step_that_is_left_out() -> None:
    """float16: gradients that overflow under the scale."""
    model = torch.nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    average = Ema(model, 0.5)
    schedule = Schedule(Scheduler(name="none"), (0.1,), 1, 1)
    state = TrainState(model, optimizer, schedule, ema=average, scaler=scaler)
    take_step(state, model(torch.ones(1, 2)).sum())
    assert average.updates == 1
    before = {name: value.clone() for name, value in average.as_dict()["model"].items()}
    take_step(state, (model(torch.ones(1, 2)) * 1e38).sum())
    assert average.updates == 1
    assert torch.equal(average.as_dict()["model"]["weight"], before["weight"])
    take_step(state, model(torch.ones(1, 2)).sum())
    assert average.updates == 2
