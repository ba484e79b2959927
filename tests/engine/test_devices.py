"""A GPU that torch cannot use is a failure with a reason, never a training on the CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from core.config.schema import DataConfig, Experiment
from core.engine import devices
from core.engine.resolve import Resolved, resolve, set_backend
from core.engine.stop import StopFlag
from core.engine.train import train_run
from core.errors import RunFailedError
from core.evaluate.setup import for_device
from core.store.attempts import begin_attempt
from core.store.files import read_json, write_json

GPU = {"name": "H200", "bus_id": "0", "uuid": "GPU-1", "index": 0}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A driver that NVML speaks to, and a torch that does not."""

    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nUpdate it.")

    file = tmp_path / "version"
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 2021\n")
    monkeypatch.setattr(devices, "DRIVER_FILE", str(file))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", refuse)


def attempt_on(run: Any, slot: str) -> str:
    gpu = GPU if slot.startswith("gpu") else None
    number = begin_attempt(run, 1, slot=slot, threads=1, gpu=gpu).number
    return train_run(run, number, StopFlag())


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
@pytest.mark.parametrize("slot", ["gpu0/0", "gpu3.1/1"])
def test_a_gpu_slot_does_not_fall_back(lab: Any, broken: None, wanted: str, slot: str) -> None:
    run = lab.create(f"device={wanted}")
    with pytest.raises(
        RunFailedError, match=r"driver on your system is too old .*driver 470\.57\.02"
    ) as found:
        attempt_on(run, slot)
    assert slot in str(found.value)
    assert not run.resolved.exists()
    error = read_json(run.attempt(1).error)
    assert error is not None
    assert error["message"] == str(found.value)


def test_what_began_on_a_gpu_does_not_go_on_without(lab: Any, broken: None) -> None:
    run = lab.create()
    write_json(run.resolved, Resolved("cuda", 1, "channels_last", "fused", "bfloat16", 9, "x").__dict__)
    before = run.resolved.read_bytes()
    for slot in ("gpu0/0", "cpu0"):
        with pytest.raises(RunFailedError, match="too old"):
            attempt_on(run, slot)
    assert run.resolved.read_bytes() == before


@pytest.mark.parametrize("wanted", ["device=cuda", "gpus=[0]"])
def test_who_asked_for_a_gpu_does_not_train_on_a_cpu_slot(lab: Any, broken: None, wanted: str) -> None:
    overrides = ["device=auto", wanted] if wanted.startswith("gpus") else [wanted]
    run = lab.create(*overrides)
    with pytest.raises(RunFailedError):
        attempt_on(run, "cpu0")
    assert not run.resolved.exists()


def test_who_asked_for_the_cpu_gets_it_and_is_told(
    lab: Any, broken: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lab.create("device=cpu", "epochs=1")
    assert attempt_on(run, "gpu0/0") == "finished"
    assert "the GPU of slot gpu0/0 is not used: device: cpu" in capsys.readouterr().out


def test_auto_on_a_cpu_slot_is_the_cpu(lab: Any, broken: None, capsys: pytest.CaptureFixture[str]) -> None:
    experiment_run = lab.create("device=auto")
    from core.config.load import parse_experiment

    experiment = parse_experiment(experiment_run.config.read_text(), experiment_run.config)
    assert resolve(experiment_run, experiment, "cpu0").device == "cpu"
    assert "not used" not in capsys.readouterr().out
    assert "its first attempt chose cpu" not in capsys.readouterr().out
    assert resolve(experiment_run, experiment, "gpu0/0").device == "cpu"
    assert "its first attempt chose cpu: fork it" in capsys.readouterr().out


def test_a_job_says_why(broken: None) -> None:
    resolved = Resolved("cuda", 1, "channels_last", "fused", "float32", 9, "x")
    with pytest.raises(RunFailedError, match="too old"):
        for_device(resolved, "cuda")


def test_a_torch_without_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(devices, "DRIVER_FILE", str(tmp_path / "none"))
    assert devices.why_no_cuda() == (
        f"it is built without CUDA (torch {torch.__version__}, no NVIDIA driver found)"
    )


def test_mps_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    with pytest.raises(RunFailedError, match="built without MPS"):
        devices.require_device("mps")


@pytest.mark.parametrize(
    ("model", "tried"),
    [("tinyvgg_a", True), ("resnet18", True), ("fasterrcnn", False), ("ssd300_vgg16", False)],
)
def test_algorithms_are_tried_out_only_where_all_batches_have_one_shape(
    model: str, tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", not tried)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    experiment = Experiment(data=DataConfig(root=Path("/data")), model=model)
    set_backend(Resolved("cuda", 1, "channels_last", "fused", "float32", 1, ""), experiment)
    assert torch.backends.cudnn.benchmark is tried


def test_training_and_measuring_choose_kernels_in_one_place() -> None:
    """What is set in two places comes to differ: then a measuring job repeats other numbers than training."""
    root = Path(__file__).parents[2] / "core"
    setting = re.compile(r"torch\.(backends\.[\w.]+ =|set_float32_matmul_precision|use_deterministic)")
    places = {
        file.relative_to(root).as_posix() for file in root.rglob("*.py") if setting.search(file.read_text())
    }
    assert places == {"engine/resolve.py"}
