"""torchvision's classifiers by name: all of them build, and images that they cannot take are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torchvision import models

from core.config.load import parse_experiment
from core.config.names import CLASSIFIERS
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.classifiers import min_size, size_step
from core.models.heads import head_of
from core.models.meta import without_storage
from core.models.registry import build_model

# The cheapest network of each family, all with a smallest size of their own among them.
FAMILIES = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11",
    "vit_b_32",
]
# Parameters of the auxiliary classifiers that torchvision counts in and labtui does not build.
AUXILIARY = {"inception_v3": 3_326_696}


def experiment(model: str, **keys: Any) -> Experiment:
    return parse_experiment(yaml.safe_dump({"data": {"root": "/d"}, "model": model, **keys}), Path("/c.yaml"))


def on_meta(given: Experiment, classes: int) -> nn.Module:
    """The network without storage, and so without first values: drawing them takes most of the time."""
    with pytest.MonkeyPatch.context() as patch, without_storage():
        for name in ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_"):
            patch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)
        model = build_model(given, classes)
    return model.to("meta").eval()


def test_the_list_is_torchvisions() -> None:
    assert sorted(CLASSIFIERS) == sorted(models.list_models(module=models))


@pytest.mark.some(24)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_network_builds_with_its_published_number_of_parameters(name: str) -> None:
    published = models.get_model_weights(name).DEFAULT.meta
    side = published["min_size"][0] if name.startswith("vit_") else 224
    model = on_meta(experiment(name, image_size=side), 1000)
    assert sum(weight.numel() for weight in model.parameters()) == published["num_params"] - AUXILIARY.get(
        name, 0
    )
    head = head_of(model)
    assert head is not None
    assert next(head.module.parameters()).shape[0] == 1000


@pytest.mark.some(8)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_smallest_images_pass(name: str) -> None:
    step = size_step(name)
    size = max(16, min_size(name), step)
    model = on_meta(experiment(name, image_size=size), 7)
    assert model(torch.empty(2, 3, size, size, device="meta")).shape == (2, 7)
    below = size - step
    if min_size(name) > 16 and below >= 16:
        with pytest.raises((RuntimeError, ValueError)):
            model(torch.empty(2, 3, below, below, device="meta"))
        with pytest.raises(UsageError, match=f"{name} needs images of at least {size} pixels"):
            build_model(experiment(name, image_size=below), 7)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_no_auxiliary_outputs_in_training(name: str) -> None:
    size = min_size(name)
    model = on_meta(experiment(name, image_size=size), 7).train()
    assert model(torch.empty(2, 3, size, size, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("weights", "expected"), [("none", False), ("imagenet", True), ("/w/googlenet-1378be20.pth", True)]
)
def test_googlenet_takes_the_range_that_its_weights_were_trained_on(weights: str, expected: bool) -> None:
    model: Any = on_meta(experiment("googlenet", weights=weights), 7)
    assert model.transform_input is expected


@pytest.mark.parametrize(
    ("name", "size", "near"), [("vit_b_16", 40, 32), ("vit_h_14", 50, 56), ("maxvit_t", 250, 224)]
)
def test_sides_that_patches_do_not_fill(name: str, size: int, near: int) -> None:
    with pytest.raises(UsageError, match=rf"{name} cuts .* such as {near}; it is {size}"):
        build_model(experiment(name, image_size=size), 7)


def test_arguments_reach_the_network() -> None:
    model: Any = build_model(experiment("mobilenet_v2", model_args={"width_mult": 0.25, "dropout": 0.0}), 5)
    assert model.classifier[0].p == 0
    assert model.features[0][0].out_channels == 8


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("resnet18", {"dropout": 0.1}, "model_args: resnet18 does not accept 'dropout'"),
        ("resnet18", {"pretrained": True}, "pretrained cannot be given to resnet18: use the key weights"),
        ("resnet18", {"num_classes": 3}, "num_classes cannot be given"),
        ("squeezenet1_1", {"dropout": 2}, "squeezenet1_1 rejects them: dropout probability"),
        ("resnet18", {"norm_layer": "none"}, "resnet18 rejects them"),
        ("densenet121", {"growth_rate": 8}, "densenet121 rejects them"),
    ],
)
def test_arguments_that_it_does_not_take(name: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_model(experiment(name, model_args=arguments), 3)


def test_a_plain_state_dict_goes_back_in() -> None:
    """mnasnet's own loader asks for a version mark, which a checkpoint's plain mapping does not have."""
    torch.manual_seed(0)
    model, other = (build_model(experiment("mnasnet0_5"), 3) for _ in range(2))
    other.load_state_dict(dict(model.state_dict()))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
