"""TinyVGG has the structure that its published parameter counts imply, and takes blocks and arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from core.config.load import parse_experiment
from core.config.names import TINYVGG
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.registry import build_model, has_batch_norm

# v0 by hand: convolutions 448 + 2,320 + 4,640 + 9,248, linear 524,544 + 65,792 + 2,570.
COUNTS = {
    "tinyvgg_v0": 609_562,
    "tinyvgg_v4": 1_314_906,
    "tinyvgg_a": 154_218,
    "tinyvgg_b": 157_170,
    "tinyvgg_c": 166_866,
    "tinyvgg_d": 240_594,
    "tinyvgg_e": 324_018,
}
# Kernel sides of the convolutions, block by block: the VGG paper's table 1.
LAYOUTS = {
    "tinyvgg_a": ["3", "3", "33", "33", "33"],
    "tinyvgg_b": ["33", "33", "33", "33", "33"],
    "tinyvgg_c": ["33", "33", "331", "331", "331"],
    "tinyvgg_d": ["33", "33", "333", "333", "333"],
    "tinyvgg_e": ["33", "33", "3333", "3333", "3333"],
    "tinyvgg_v0": ["33"] * 2,
    "tinyvgg_v1": ["33"] * 3,
    "tinyvgg_v2": ["33"] * 4,
    "tinyvgg_v3": ["33"] * 5,
    "tinyvgg_v4": ["33"] * 5,
}


def experiment(model: str, **keys: Any) -> Experiment:
    return parse_experiment(yaml.safe_dump({"data": {"root": "/d"}, "model": model, **keys}), Path("/c.yaml"))


def of_type(model: nn.Module, kind: type[nn.Module]) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name: str, count: int) -> None:
    assert sum(weight.numel() for weight in build_model(experiment(name), 10).parameters()) == count


@pytest.mark.parametrize(("name", "layout"), LAYOUTS.items())
def test_layouts(name: str, layout: list[str]) -> None:
    features: Any = build_model(experiment(name), 10).get_submodule("features")
    assert [
        "".join(str(conv.kernel_size[0]) for conv in of_type(block, nn.Conv2d)) for block in features
    ] == layout
    assert all(isinstance(block[-1], nn.MaxPool2d) for block in features)


def test_layers_of_v0() -> None:
    linear = of_type(build_model(experiment("tinyvgg_v0"), 10), nn.Linear)
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (2048, 256),
        (256, 256),
        (256, 10),
    ]


@pytest.mark.parametrize("name", TINYVGG)
@pytest.mark.parametrize(("classes", "size"), [(10, 32), (3, 50), (7, 64)])
def test_logits_for_other_classes_and_sizes(name: str, classes: int, size: int) -> None:
    model = build_model(experiment(name, image_size=size), classes).eval()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, classes)


@pytest.mark.parametrize("name", TINYVGG)
def test_batch_norm_after_every_convolution_or_none(name: str) -> None:
    model = build_model(experiment(name), 10)
    with_norm = name not in ("tinyvgg_v0", "tinyvgg_v1", "tinyvgg_v2", "tinyvgg_v3")
    assert has_batch_norm(model) == with_norm
    assert len(of_type(model, nn.BatchNorm2d)) == with_norm * len(of_type(model, nn.Conv2d))


def test_weights_come_from_the_global_generator() -> None:
    def first() -> torch.Tensor:
        torch.manual_seed(3)
        return next(build_model(experiment("tinyvgg_a"), 10).parameters())

    assert torch.equal(first(), first())


def test_names_of_weights_stay_as_in_the_first_version() -> None:
    state = build_model(experiment("tinyvgg_a"), 10).state_dict()
    assert {
        "features.0.0.weight",
        "features.2.4.running_var",
        "classifier.1.bias",
        "classifier.7.weight",
    } <= set(state)


def test_too_small_images_are_refused_and_the_smallest_pass() -> None:
    with pytest.raises(UsageError, match="image_size must be at least 32: it is 16"):
        build_model(experiment("tinyvgg_a", image_size=16), 10)
    model = build_model(experiment("tinyvgg_v2", image_size=16), 10).eval()
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


def test_blocks_of_the_config() -> None:
    blocks = [{"channels": 4, "convs": 1}, {"channels": 6, "convs": 3, "one_by_one": True}, {"channels": 5}]
    given = experiment("tinyvgg", blocks=blocks, model_args={"hidden": [9], "dropout": 0.25}, image_size=24)
    model = build_model(given, 4).eval()
    convolutions = of_type(model, nn.Conv2d)
    assert [c.out_channels for c in convolutions] == [4, 6, 6, 6, 5, 5]
    assert [c.kernel_size[0] for c in convolutions] == [3, 3, 3, 1, 3, 3]
    linear = [(layer.in_features, layer.out_features) for layer in of_type(model, nn.Linear)]
    assert linear == [(5 * 3 * 3, 9), (9, 4)]
    assert [layer.p for layer in of_type(model, nn.Dropout)] == [0.25]
    assert model(torch.zeros(2, 3, 24, 24)).shape == (2, 4)


def test_blocks_that_rebuild_a_preset_give_the_same_weights() -> None:
    blocks = [{"channels": 16 * 2**index} for index in range(5)]
    states = []
    for given in (experiment("tinyvgg_v4"), experiment("tinyvgg", blocks=blocks)):
        torch.manual_seed(0)
        states.append(build_model(given, 10).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_arguments_change_presets() -> None:
    model = build_model(
        experiment("tinyvgg_v4", model_args={"batch_norm": False, "hidden": 32, "dropout": 0}), 10
    )
    assert not has_batch_norm(model)
    assert [layer.out_features for layer in of_type(model, nn.Linear)] == [32, 32, 10]
    assert [layer.p for layer in of_type(model, nn.Dropout)] == [0, 0]
    straight = build_model(experiment("tinyvgg_v4", model_args={"hidden": []}), 10)
    assert [layer.in_features for layer in of_type(straight, nn.Linear)] == [256]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"drop_out": 0.1},
            r"model_args: tinyvgg_v4 does not accept 'drop_out' \(did you mean 'dropout'\?\)",
        ),
        ({"dropout": 1}, "dropout must be a number from 0 to below 1, not 1"),
        ({"dropout": True}, "dropout must be a number"),
        ({"batch_norm": 1}, "batch_norm must be true or false, not 1"),
        ({"hidden": 0}, "hidden must be the width"),
        ({"hidden": [64, "wide"]}, "hidden must be the width"),
    ],
)
def test_arguments_that_it_does_not_take(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_model(experiment("tinyvgg_v4", model_args=arguments), 10)
