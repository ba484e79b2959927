"""Optimisers, parameter groups, clipping, and what becomes of their state in a fork."""

from __future__ import annotations

import copy
import io
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from core.config.load import apply_overrides, parse_experiment
from core.config.optimizers import OPTIMIZERS, Optimizer, OptimizerKind
from core.download import Cancelled
from core.engine.checkpoint import read_checkpoint
from core.engine.classification import Classification
from core.engine.optim import build_optimizer, misfit, restore_optimizer
from core.models.modes import ParamGroup
from core.store.checkpoints import choose
from core.store.metrics import MetricsTail, read_history

BASE = "data: {root: /data}\nmodel: tinyvgg_a\nlearning_rate: 0.1\n"


def group(*shapes: tuple[int, ...], lr: float = 0.1, name: Any = "all") -> ParamGroup:
    generator = torch.Generator().manual_seed(1)
    made = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    return ParamGroup(name, lr, tuple(made))


def make(groups: list[ParamGroup], *overrides: str, flavour: str = "default") -> torch.optim.Optimizer:
    experiment = apply_overrides(parse_experiment(BASE, Path("c.yaml")), overrides)
    return build_optimizer(groups, experiment, flavour)


def walk(optimizer: torch.optim.Optimizer, steps: int, begin: int = 0) -> list[torch.Tensor]:
    """Weights after some steps down fixed gradients."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for step in range(begin, begin + steps):
        for weight in weights:
            weight.grad = torch.sin(weight.detach() * (step + 1))
        optimizer.step()
    return [weight.detach().clone() for weight in weights]


REFERENCES: list[tuple[tuple[str, ...], Any]] = [
    (("optimizer.momentum=0",), lambda w: torch.optim.SGD(w, 0.1)),
    (
        ("optimizer={nesterov: true, weight_decay: 0.01}",),
        lambda w: torch.optim.SGD(w, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    (
        ("optimizer={name: adam, beta1: 0.8, weight_decay: 0.1}",),
        lambda w: torch.optim.Adam(w, 0.1, betas=(0.8, 0.999), weight_decay=0.1),
    ),
    (
        ("optimizer={name: adamw, beta2: 0.99, weight_decay: 0.1}",),
        lambda w: torch.optim.AdamW(w, 0.1, betas=(0.9, 0.99), weight_decay=0.1),
    ),
    (("optimizer={name: adamw}",), lambda w: torch.optim.AdamW(w, 0.1, weight_decay=0.0)),
]


@pytest.mark.parametrize("flavour", ["default", "fused"])
@pytest.mark.parametrize(("overrides", "reference"), REFERENCES)
def test_methods_are_those_of_torch(overrides: tuple[str, ...], reference: Any, flavour: str) -> None:
    got = walk(make([group((4, 3), (5,))], *overrides, flavour=flavour), 5)
    want = walk(reference(list(group((4, 3), (5,)).parameters)), 5)
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", [name for name, kind in OPTIMIZERS.items() if kind.fused])
@pytest.mark.parametrize("flavours", [("default", "fused"), ("fused", "default")])
def test_state_goes_over_to_another_flavour(method: str, flavours: tuple[str, str]) -> None:
    """As from a GPU to a CPU and back: the settings of now decide where the state lies."""
    first = make([group((4, 3))], f"optimizer.name={method}", flavour=flavours[0])
    walk(first, 3)
    second = make([group((4, 3))], f"optimizer.name={method}", flavour=flavours[1])
    restore_optimizer(second, copy.deepcopy(first.state_dict()), keep=("fused", "foreach", "name"))
    second.param_groups[0]["params"][0].data.copy_(first.param_groups[0]["params"][0].data)
    for ours, theirs in zip(walk(second, 2), walk(first, 2), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    assert second.param_groups[0]["fused"] == (True if flavours[1] == "fused" else None)


@pytest.mark.parametrize("method", OPTIMIZERS)
def test_a_stored_state_goes_on_to_the_bit(method: str) -> None:
    whole, first = (make([group((4, 3), (5,))], f"optimizer.name={method}") for _ in range(2))
    walk(whole, 5)
    weights = walk(first, 3)
    buffer = io.BytesIO()
    torch.save(first.state_dict(), buffer)
    buffer.seek(0)
    second = make([group((4, 3), (5,))], f"optimizer.name={method}")
    restore_optimizer(second, torch.load(buffer, weights_only=True), keep=("fused", "foreach", "name"))
    for parameter, weight in zip(second.param_groups[0]["params"], weights, strict=True):
        parameter.data.copy_(weight)
    for ours, theirs in zip(walk(second, 2, begin=3), whole.param_groups[0]["params"], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("method", OPTIMIZERS)
@pytest.mark.parametrize("without", [False, True], ids=["as-given", "without-its-switch"])
def test_a_checkpoint_holds_what_the_table_says(method: str, without: bool) -> None:
    kind = OPTIMIZERS[method]
    words = [f"optimizer.name={method}"]
    if without and kind.state_with:
        words.append(f"optimizer.{kind.state_with}=0")
    optimizer = make([group((4, 3))], *words)
    walk(optimizer, 2)
    state = next(iter(optimizer.state.values()), {})
    held = {name: value for name, value in state.items() if value is not None}
    tensors = [name for name, value in held.items() if value.shape == (4, 3)]
    settings = Optimizer(name=method, **({kind.state_with: 0.0} if len(words) > 1 else {}))  # type: ignore[arg-type]
    assert (len(tensors), len(held) - len(tensors)) == kind.kept_tensors(settings)
    assert set(tensors) <= set(kind.state)
    assert set(held) - set(tensors) <= set(kind.counters)


def test_every_setting_is_read_by_an_optimiser() -> None:
    read = {key for kind in OPTIMIZERS.values() for key in kind.settings}
    assert {"name", *read} == set(Optimizer.model_fields)


SHAPES = ((8, 6, 3, 3), (5, 8, 1, 1), (7,), (4, 3, 5, 2))


def moved(optimizer: torch.optim.Optimizer, steps: int) -> list[torch.Tensor]:
    """Weights after steps down gradients that differ at every place, each laid out as its weight."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for step in range(steps):
        for weight in weights:
            values = torch.arange(weight.numel()).reshape(weight.shape) * 0.37 + step
            weight.grad = torch.empty_like(weight).copy_(torch.sin(values))
        optimizer.step()
    return [weight.detach().clone() for weight in weights]


@pytest.mark.parametrize("method", OPTIMIZERS)
@pytest.mark.parametrize("layouts", ["plain-to-last", "last-to-plain"])
@pytest.mark.parametrize("split", [False, True], ids=["one-group", "two-groups"])
def test_state_takes_the_layout_of_the_weights(method: str, layouts: str, split: bool) -> None:
    """Out of an import, or a run with the other memory format: the next step is the reference's."""
    last = torch.channels_last
    formats = (
        (torch.contiguous_format, last) if layouts == "plain-to-last" else (last, torch.contiguous_format)
    )

    def groups(layout: torch.memory_format) -> list[ParamGroup]:
        weights = [
            torch.nn.Parameter(
                torch.linspace(-1, 1, int(torch.Size(shape).numel()))
                .reshape(shape)
                .contiguous(memory_format=layout if len(shape) == 4 else torch.contiguous_format)
            )
            for shape in SHAPES
        ]
        if not split:
            return [ParamGroup("all", 0.1, tuple(weights))]
        return [ParamGroup("back", 0.01, tuple(weights[:2])), ParamGroup("head", 0.1, tuple(weights[2:]))]

    stored = make(groups(formats[0]), f"optimizer.name={method}")
    moved(stored, 3)
    reference = make(groups(torch.contiguous_format), f"optimizer.name={method}")
    moved(reference, 3)
    ours = make(groups(formats[1]), f"optimizer.name={method}", flavour="fused")
    moved(ours, 3)
    restore_optimizer(ours, copy.deepcopy(stored.state_dict()), keep=("fused", "foreach", "name"))
    for weight, state in ours.state.items():
        for value in state.values():
            assert value.shape != weight.shape or value.stride() == weight.stride()
    for got, want in zip(moved(ours, 2), moved(reference, 2), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("groups", "overrides", "reason"),
    [
        ([group((4, 3), (5,))], (), None),
        ([group((4, 3), (5,))], ("optimizer.momentum=0.5",), None),
        ([group((4, 3), (5,))], ("optimizer.name=adam",), "it is another method"),
        ([group((5,))], (), "other parameters are trained"),
        ([group((3, 4), (5,))], (), "other parameters are trained"),
        ([group((4, 3)), group((5,))], (), "other parameters are trained"),
    ],
)
def test_misfit(groups: list[ParamGroup], overrides: tuple[str, ...], reason: str | None) -> None:
    parent = make([group((4, 3), (5,))])
    walk(parent, 1)
    assert misfit(make(groups, *overrides), parent.state_dict()) == reason


OTHERS = {
    "nadam": OptimizerKind("NAdam", {}, ("exp_avg", "exp_avg_sq"), ("step", "mu_product"), fused=False),
    "radam": OptimizerKind("RAdam", {}, ("exp_avg", "exp_avg_sq"), ("step",), fused=False),
    "adamax": OptimizerKind("Adamax", {}, ("exp_avg", "exp_inf"), ("step",), fused=False),
    "rmsprop": OptimizerKind("RMSprop", {}, ("square_avg",), ("step",), fused=False),
    "adagrad": OptimizerKind("Adagrad", {}, ("sum",), ("step",)),
}
"""Methods of torch that share settings with those in the table, or names of what they keep."""


@pytest.mark.parametrize("method", [*OPTIMIZERS, *OTHERS])
def test_the_state_of_another_method_is_never_taken_over(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, kind in OTHERS.items():
        monkeypatch.setitem(OPTIMIZERS, name, kind)  # type: ignore[arg-type]
    base = parse_experiment(BASE, Path("c.yaml"))
    made = {}
    for name in OPTIMIZERS:
        settings = base.optimizer.model_copy(update={"name": name})
        experiment = base.model_copy(update={"optimizer": settings})
        made[name] = build_optimizer([group((4, 3))], experiment, "default")
        walk(made[name], 1)
    state = made[method].state_dict()
    takes = {name for name, optimizer in made.items() if misfit(optimizer, state) is None}
    assert takes == ({"adam", "adamw"} if method in ("adam", "adamw") else {method})


def test_old_learning_rate_does_not_come_back() -> None:
    parent, child = make([group((2,))]), make([group((2,), lr=0.001)])
    walk(parent, 1)
    restore_optimizer(child, parent.state_dict(), keep=("lr", "momentum", "name"))
    assert child.param_groups[0]["lr"] == 0.001
    assert torch.equal(
        next(iter(child.state.values()))["momentum_buffer"], torch.sin(group((2,)).parameters[0])
    )


def lrs(run: Any) -> list[float]:
    return [row["lr"] for row in read_history(run.metrics).epochs]


def test_from_head_to_full(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A head was trained; all goes on from there at the new rate, with new momentum, which is said."""
    parent = lab.train("mode=head", "epochs=2")
    content = read_checkpoint(parent, choose(parent, "2"))
    assert len(content["optimizer"]["param_groups"][0]["params"]) == 2
    fork = lab.fork(parent, "2", "mode=full", "learning_rate=0.001", total=3)
    assert lab.attempt(fork) == "finished"
    said = capsys.readouterr().out
    assert "note: the optimiser starts fresh, without the parent's momentum: other parameters" in said
    assert "fork from a00-e0002: epoch 2, step 14, lr 0.001" in said
    assert lrs(fork) == [0.02, 0.02, 0.001]
    moved = read_checkpoint(fork, choose(fork, "3"))["model"]
    name = "features.0.0.weight"
    assert not torch.equal(moved[name], content["model"][name])


def test_head_trains_the_classifier_only(lab: Any) -> None:
    run = lab.train("mode=head", "epochs=2")
    first, last = (read_checkpoint(run, choose(run, epoch))["model"] for epoch in ("1", "2"))
    changed = {name for name, value in first.items() if not torch.equal(value, last[name])}
    assert changed == {"classifier.7.weight", "classifier.7.bias"}


def test_split_has_two_rates(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine.recorder._INTERVAL", 0.0)
    change = ("mode=split", "back_lr=0.001", "head_lr=0.01", "scheduler={name: step, every: 1, factor: 0.5}")
    run = lab.train(*change, "epochs=2")
    rows = [row for row in MetricsTail(run.metrics).read()[0] if row["scope"] in ("step", "epoch")]
    assert {(row["lr"], row["lr/back"], row["lr/head"]) for row in rows if row["epoch"] == 1} == {
        (0.001, 0.001, 0.01)
    }
    assert {(row["lr"], row["lr/back"], row["lr/head"]) for row in rows if row["epoch"] == 2} == {
        (0.0005, 0.0005, 0.005)
    }
    sizes = [
        len(part["params"]) for part in read_checkpoint(run, choose(run, "2"))["optimizer"]["param_groups"]
    ]
    assert sizes == [36, 2]


def test_another_method_starts_anew_in_a_fork(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    parent = lab.train("epochs=1")
    fork = lab.fork(parent, "1", "optimizer.name=adamw", "learning_rate=0.001", total=2)
    assert lab.attempt(fork) == "finished"
    assert "momentum: it is another method" in capsys.readouterr().out
    state = read_checkpoint(fork, choose(fork, "2"))["optimizer"]["state"][0]
    assert float(state["step"]) == 7


def test_clipping_bounds_each_step(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With plain SGD a step is the rate times the clipped gradient: never longer than rate x norm."""
    norms: list[float] = []
    places: list[torch.Tensor] = []
    original = Classification.step

    def spy(self: Classification, model: torch.nn.Module, batch: Any) -> Any:
        places.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))
        outcome = original(self, model, batch)
        grads = torch.autograd.grad(outcome.loss, list(model.parameters()), retain_graph=True)
        norms.append(float(torch.cat([grad.flatten() for grad in grads]).norm()))
        return outcome

    monkeypatch.setattr(Classification, "step", spy)
    run = lab.train("epochs=1", "clip_norm=0.5", "optimizer.momentum=0")
    assert max(norms) > 0.5
    for (before, after), norm in zip(itertools.pairwise(places), norms, strict=False):
        assert float((after - before).norm()) == pytest.approx(0.02 * min(norm, 0.5), rel=1e-3)
    row = read_history(run.metrics).epochs[0]
    assert row["grad_norm"] == pytest.approx(sum(norms) / 7, rel=1e-4)


def test_no_norm_is_told_without_clipping(lab: Any) -> None:
    assert "grad_norm" not in read_history(lab.train("epochs=1").metrics).epochs[0]


def test_new_run_from_the_weights_of_another(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights of a checkpoint go along, its optimiser and rate do not; a resume no longer needs the file."""
    parent = lab.train("mode=head", "epochs=2", "ema=0.9")
    source = choose(parent, "2")
    run = lab.create(f"weights={source.file}", "learning_rate=1e-9", "epochs=1")
    lab.attempt(run)
    assert f"weights: {source.file}, sha256 {source.sha256[:16]}" in capsys.readouterr().out
    average = read_checkpoint(parent, source)["ema"]["model"]
    got = read_checkpoint(run, choose(run, "1"))["model"]
    for name in ("features.0.0.weight", "classifier.7.weight"):
        torch.testing.assert_close(got[name], average[name], rtol=0, atol=1e-6)
    assert lrs(run) == [1e-9]
    source.file.unlink()
    assert lab.resume(run, total=2) == "finished"


def test_stop_while_weights_are_fetched(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> Any:
        raise Cancelled

    monkeypatch.setattr("core.engine.train.load_weights", fetch)
    run = lab.create()
    assert lab.attempt(run) == "stopped"
    assert not run.checkpoints.exists() or not list(run.checkpoints.iterdir())
