"""The summary adds up, and describing an experiment needs neither storage nor luck."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from core.config.load import dump, parse_experiment
from core.config.schema import Experiment
from core.engine import rng
from core.engine.describe import describe, main, model_document
from core.models.modes import apply_mode
from core.models.registry import build_model
from core.models.summary import summarise_model

ROOT = Path(__file__).parents[2]


def experiment(model: str, **keys: Any) -> Experiment:
    return parse_experiment(yaml.safe_dump({"data": {"root": "/d"}, "model": model, **keys}), Path("/c.yaml"))


@pytest.mark.some(5)
@pytest.mark.parametrize("name", ["tinyvgg_v4", "resnet18", "vit_b_32", "swin_t", "densenet121"])
@pytest.mark.parametrize("mode", ["full", "head"])
def test_layers_and_parts_add_up(name: str, mode: str) -> None:
    told = describe(experiment(name, mode=mode), 10)
    assert told["error"] is None
    for key in ("parameters", "trainable"):
        assert sum(layer[key] for layer in told["layers"]) == told[key]
        assert sum(part[key] for part in told["parts"]) == told[key]
    assert [part["name"] for part in told["parts"]] == ["backbone", "head"]
    head = told["parts"][1]
    assert head["parameters"] == head["trainable"] > 0
    assert (told["trainable"] == told["parameters"]) == (mode == "full")


def test_layers_of_v4() -> None:
    told = describe(experiment("tinyvgg_v4"), 10)
    layers = {layer["name"]: layer for layer in told["layers"]}
    assert told["parameters"] == told["trainable"] == 1_314_906
    assert layers["features.0.0"] == {
        "name": "features.0.0",
        "type": "Conv2d",
        "shape": [16, 32, 32],
        "parameters": 448,
        "trainable": 448,
    }
    assert layers["features.4.6"]["shape"] == [256, 1, 1]
    assert layers["classifier.0"]["shape"] == [256]
    assert layers["classifier.7"]["shape"] == [10]
    assert [part["parameters"] for part in told["parts"]] == [1_314_906 - 2_570, 2_570]


def test_a_shared_weight_counts_once() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 48), nn.Linear(48, 48), nn.Linear(48, 2))
    model[2].weight = model[1].weight
    told = summarise_model(model, 4)
    assert told.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert [layer.parameters for layer in told.layers] == [0, 48 * 48 + 48, 48, 98]


def test_it_leaves_the_model_and_the_generators_as_they_are() -> None:
    model = build_model(experiment("tinyvgg_a"), 10)
    model[0].eval() if isinstance(model, nn.Sequential) else model.get_submodule("features").eval()
    modes = [module.training for module in model.modules()]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    generator = torch.get_rng_state()
    summarise_model(model, 32)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    "keys",
    [
        {"model": "tinyvgg_v4"},
        {"model": "tinyvgg_a", "optimizer": {"name": "adamw"}, "ema": 0.99},
        {"model": "tinyvgg_a", "optimizer": {"momentum": 0}},
        {"model": "mobilenet_v2", "mode": "head"},
    ],
    ids=lambda keys: "-".join(map(str, keys.values())),
)
def test_the_estimate_of_a_checkpoint_is_within_two_percent(keys: dict[str, Any]) -> None:
    given = experiment(**keys)
    model = build_model(given, 10)
    weights = [parameter for group in apply_mode(model, given) for parameter in group.parameters]
    optimizer: torch.optim.Optimizer
    if given.optimizer.name == "sgd":
        optimizer = torch.optim.SGD(weights, lr=0.1, momentum=given.optimizer.momentum)
    else:
        optimizer = torch.optim.AdamW(weights)
    model(torch.zeros(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    content: dict[str, Any] = {"model": dict(model.state_dict()), "optimizer": optimizer.state_dict()}
    content |= {"rng": rng.capture(torch.device("cpu")), "about": {"model": given.model}, "sums": {}}
    if given.ema is not None:
        content["ema"] = {"model": {key: value.clone() for key, value in model.state_dict().items()}}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    told = model_document(given, model)
    assert told["checkpoint_bytes"] == pytest.approx(len(buffer.getvalue()), rel=0.02)
    assert told == describe(given, 10)


def test_the_largest_network_takes_no_storage() -> None:
    told = describe(experiment("vit_h_14", image_size=224), 10)
    assert told["parameters"] > 630_000_000
    assert told["checkpoint_bytes"] > 8 * 630_000_000


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"model": "alexnet"}, "alexnet needs images of at least 63 pixels"),
        ({"model": "/no/net.py:build"}, "/no/net.py: no such file"),
        ({"model": "resnet18", "model_args": {"x": 1}}, "resnet18 does not accept 'x'"),
    ],
)
def test_faults_of_the_network_are_in_the_document(keys: dict[str, Any], sentence: str) -> None:
    told = describe(experiment(**keys), 10)
    assert told["model"] == keys["model"]
    assert sentence in told["error"]


def test_a_process_of_its_own_prints_one_document(tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\nprint('hello')\ndef build(num_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes))\n"
    )
    config = tmp_path / "config.yaml"
    config.write_text(dump(experiment(f"{net}:build")))
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "core.engine.describe", str(config), "--classes", "4"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["parameters"] == 3072 * 4 + 4
    assert told["error"] is None
    assert "hello" in ended.stderr


def test_faults_of_the_config_are_in_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("model: tinyvgg_z\n")
    assert main([str(config), "--classes", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "there is no model 'tinyvgg_z'" in told["error"]
    assert main([str(tmp_path / "none.yaml"), "--classes", "3"]) == 0
    assert "there is no such file" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("arguments", [[], ["c.yaml"], ["c.yaml", "--classes", "x"]])
def test_wrong_calls(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err
