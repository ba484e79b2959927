"""A run that was given a GPU never trains on the CPU without a word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.config.load import parse_experiment
from core.engine import resolve as resolve_module
from core.engine.resolve import resolve
from core.errors import RunFailedError
from core.evaluate.setup import for_device
from core.store.paths import RunPaths


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_slot_without_cuda_fails_and_stores_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("Found no NVIDIA driver on your system.\nmore")

    monkeypatch.setenv("LABTUI_SLOT", "/state/slots/ab/gpu-GPU-1-0.lock")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "zeros", broken)
    monkeypatch.setattr(resolve_module, "driver_version", lambda: "470.57")
    run = RunPaths(tmp_path)
    text = f"data: {{root: {tmp_path}}}\nmodel: tinyvgg_a\ndevice: {device}\n"
    experiment = parse_experiment(text, run.config)
    with pytest.raises(RunFailedError, match=r"Found no NVIDIA driver on your system\.; driver 470\.57\)"):
        resolve(run, experiment)
    assert not run.resolved.exists()
    monkeypatch.setenv("LABTUI_SLOT", "/state/slots/ab/cpu0.lock")
    if device == "auto":
        assert resolve(run, experiment).device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunFailedError, match="This job was given a GPU that torch does not find"):
        for_device(resolve_module.choose_resolved(experiment), "cuda")
