"""Number formats: refused where they are missing, and float16's gradient scale across a resume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from core.config.load import apply_overrides, parse_experiment
from core.config.schema import Experiment
from core.engine import amp
from core.engine.amp import autocast, choose_precision, make_scaler
from core.engine.checkpoint import read_checkpoint
from core.errors import RunFailedError
from core.store.checkpoints import choose
from core.store.files import read_json
from core.store.metrics import read_history


@dataclass(frozen=True)
class Settled:
    device: str
    precision: str


def experiment(wanted: str) -> Experiment:
    text = f"data: {{root: /data}}\nmodel: tinyvgg_a\nprecision: {wanted}\n"
    return parse_experiment(text, Path("c.yaml"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`machine(cpu=, gpu=)`: whether CPU and GPU multiply bfloat16."""

    def of(*, cpu: bool = False, gpu: bool = False) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: cpu)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        monkeypatch.setattr(amp, "_cuda_has_bfloat16", lambda: gpu)

    return of


@pytest.mark.parametrize(
    ("wanted", "device", "cpu", "gpu", "got"),
    [
        ("auto", "cpu", True, False, "float32"),
        ("auto", "mps", False, False, "float32"),
        ("auto", "cuda", False, True, "bfloat16"),
        ("auto", "cuda", False, False, "float32"),
        ("float32", "cuda", False, True, "float32"),
        ("bfloat16", "cuda", False, True, "bfloat16"),
        ("bfloat16", "cpu", True, False, "bfloat16"),
        ("float16", "cuda", False, False, "float16"),
    ],
)
def test_choice(machine: Any, wanted: str, device: str, cpu: bool, gpu: bool, got: str) -> None:
    machine(cpu=cpu, gpu=gpu)
    assert choose_precision(experiment(wanted), device) == got


@pytest.mark.parametrize(
    ("wanted", "device", "words"),
    [
        ("bfloat16", "cpu", "neither AVX512_BF16 nor AMX: use precision float32 or auto"),
        ("bfloat16", "cuda", "GPU has no bfloat16: use precision float16"),
        ("float16", "cpu", "needs an NVIDIA GPU, and this run computes on cpu"),
        ("float16", "mps", "computes on mps"),
    ],
)
def test_refusals(machine: Any, wanted: str, device: str, words: str) -> None:
    machine()
    with pytest.raises(RunFailedError, match=words):
        choose_precision(experiment(wanted), device)


def test_a_run_that_is_refused_has_trained_nothing(lab: Any, machine: Any) -> None:
    machine()
    run = lab.create("precision=bfloat16")
    with pytest.raises(RunFailedError, match="bfloat16 is many times slower"):
        lab.attempt(run)
    assert not run.resolved.exists()
    assert read_json(run.attempt(1).error)["type"] == "RunFailedError"


def test_bfloat16_on_a_cpu_that_has_it(lab: Any, machine: Any) -> None:
    machine(cpu=True)
    run = lab.train("precision=bfloat16", "epochs=1")
    assert read_json(run.resolved)["precision"] == "bfloat16"
    other = read_history(lab.train("epochs=1").metrics).epochs[0]["train/loss"]
    loss = read_history(run.metrics).epochs[0]["train/loss"]
    assert loss != other
    assert loss == pytest.approx(other, rel=0.1)
    weights = read_checkpoint(run, choose(run, "1"))["model"]
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights.values())


def test_a_fork_may_name_another_precision(lab: Any, machine: Any) -> None:
    machine(cpu=True)
    parent = lab.train("epochs=1")
    fork = lab.fork(parent, "1", "precision=bfloat16", total=2)
    lab.attempt(fork)
    assert read_json(fork.resolved)["precision"] == "bfloat16"


def test_tools_of_each_format() -> None:
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        with autocast(Settled("cpu", name)):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
        assert (make_scaler(Settled("cpu", name)) is not None) == (name == "float16")


@pytest.fixture
def half_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """float16 with its scaler on the CPU, which is slow but the same arithmetic."""
    original = amp.make_scaler

    def eager(resolved: Any) -> torch.amp.GradScaler | None:
        scaler = original(resolved)
        return scaler and torch.amp.GradScaler(resolved.device, init_scale=2.0**20, growth_interval=5)

    monkeypatch.setattr("core.engine.initial_state.make_scaler", eager)
    monkeypatch.setattr("core.engine.resolve.choose_precision", lambda experiment, device: "float16")


@pytest.mark.some(1)
@pytest.mark.usefixtures("half_on_cpu")
@pytest.mark.parametrize("extra", [(), ("clip_norm=1.0", "optimizer.name=adamw", "learning_rate=0.002")])
def test_gradient_scale_survives_a_resume(
    lab: Any, sha: Any, curve: Any, stop_after: Any, extra: tuple[str, ...]
) -> None:
    whole = lab.train(*extra)
    run = lab.train(*extra, stop=stop_after(9))
    before = read_checkpoint(run, choose(run, "last"))["scaler"]
    # From 2**20 it halves where gradients overflow and doubles after five good steps in a row.
    assert before["scale"] != 2.0**20
    lab.resume(run)
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)
    scalers = [read_checkpoint(one, choose(one, "last"))["scaler"] for one in (run, whole)]
    assert scalers[0] == scalers[1]


@pytest.mark.usefixtures("half_on_cpu")
def test_overflowing_gradients_are_left_out_not_a_failure(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "core.engine.initial_state.make_scaler",
        lambda resolved: torch.amp.GradScaler("cpu", init_scale=2.0**60),
    )
    run = lab.train("epochs=1", "clip_norm=1.0")
    content = read_checkpoint(run, choose(run, "1"))
    assert content["scaler"]["scale"] == 2.0 ** (60 - 7)
    assert content["step"] == 7
    assert read_json(run.resolved)["optimizer"] == "default"
    assert "grad_norm" not in read_history(run.metrics).epochs[0]
    assert all(value.isfinite().all() for value in content["model"].values())


def test_overrides_reach_the_trainer() -> None:
    assert apply_overrides(experiment("auto"), ["precision=float16", "device=cuda"]).precision == "float16"
