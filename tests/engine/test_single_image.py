"""A batch of one image where batch normalisation needs two: found before training, left out or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.config.load import parse_experiment
from core.data.batches import is_single
from core.engine.task import require_company
from core.errors import DataError
from core.models.registry import build_model
from core.models.single_image import fails_alone
from core.store.metrics import read_history

HEAD = "data: {root: x}\nepochs: 1\n"


def network(model: str, **settings: Any) -> tuple[nn.Module, Any]:
    lines = "".join(f"{key}: {value}\n" for key, value in settings.items())
    experiment = parse_experiment(f"{HEAD}model: {model}\n{lines}", Path("c.yaml"))
    return build_model(experiment, 3).train(), experiment


@pytest.mark.parametrize(
    ("model", "settings", "fails"),
    [
        ("mobilenet_v2", {"image_size": 32}, True),
        ("mobilenet_v2", {"image_size": 64}, False),
        ("tinyvgg_a", {"image_size": 32}, False),
        ("tinyvgg_v1", {"image_size": 16}, False),
        ("ssdlite320_mobilenet_v3_large", {}, True),
        ("fasterrcnn_small", {"image_size": "{min: 96, max: 128}"}, False),
    ],
)
def test_what_fails_on_one_image(model: str, settings: dict[str, Any], fails: bool) -> None:
    net, experiment = network(model, **settings)
    before = torch.get_rng_state()
    buffers = [buffer.clone() for buffer in net.buffers()]
    assert fails_alone(net, experiment) is fails
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(now, then) for now, then in zip(net.buffers(), buffers, strict=True))
    assert net.training
    assert not fails_alone(net.eval(), experiment), "frozen statistics need no batch"


def test_torch_agrees() -> None:
    net, _ = network("mobilenet_v2", image_size=32)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        net(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("images", "batch", "single"), [(13, 4, True), (12, 4, False), (1, 4, False), (5, 1, False), (3, 2, True)]
)
def test_which_last_batch_has_one_image(images: int, batch: int, single: bool) -> None:
    assert is_single(images, batch) is single


def test_all_batches_of_one_are_refused_before_the_start() -> None:
    experiment = network("tinyvgg_v1", image_size=16, batch=1)[1]
    require_company(experiment, 9, lambda: False)
    with pytest.raises(DataError, match="cannot train with batch: 1"):
        require_company(experiment, 9, lambda: True)
    large = network("tinyvgg_v1", image_size=16, batch=8)[1]
    require_company(large, 9, lambda: True)
    with pytest.raises(DataError, match="one training image"):
        require_company(large, 1, lambda: True)


def test_a_detector_leaves_the_single_image_out(
    box_lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """13 images in batches of 4."""
    monkeypatch.setattr("core.engine.train.fails_alone", lambda model, experiment: True)
    run = box_lab.train("epochs=1")
    assert read_history(run.metrics).epochs[-1]["step"] == 3
    assert "1 image left out per epoch" in capsys.readouterr().out
