"""What each mode trains and freezes; what cannot be told apart is refused, never left untrained unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from core.config.load import parse_experiment
from core.config.names import CLASSIFIERS
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.heads import head_of
from core.models.meta import without_storage
from core.models.modes import apply_mode, set_train_mode
from core.models.registry import build_model, has_batch_norm
from core.models.summary import in_evaluation

HEADS = {
    "alexnet": ("classifier.6", 4096),
    "convnext_tiny": ("classifier.2", 768),
    "densenet121": ("classifier", 1024),
    "efficientnet_b0": ("classifier.1", 1280),
    "googlenet": ("fc", 1024),
    "inception_v3": ("fc", 2048),
    "maxvit_t": ("classifier.5", 512),
    "mnasnet0_5": ("classifier.1", 1280),
    "mobilenet_v2": ("classifier.1", 1280),
    "mobilenet_v3_small": ("classifier.3", 1024),
    "regnet_y_400mf": ("fc", 440),
    "resnet18": ("fc", 512),
    "shufflenet_v2_x0_5": ("fc", 1024),
    "squeezenet1_1": ("classifier.1", 512),
    "swin_t": ("head", 768),
    "tinyvgg_v4": ("classifier.7", 256),
    "vgg11": ("classifier.6", 4096),
    "vit_b_32": ("heads.head", 768),
}
SIZES = {"alexnet": 64, "inception_v3": 96, "maxvit_t": 224}


class Plain(nn.Module):
    """Convolution, batch norm, pooling; then a classifier by another name than `head`."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.back = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.back(images))
        return logits


def experiment(model: str = "mobilenet_v2", mode: str = "full", **keys: Any) -> Experiment:
    if mode == "split":
        keys = {"back_lr": 1e-4, "head_lr": 1e-2, **keys}
    text = yaml.safe_dump({"data": {"root": "/d"}, "model": model, "mode": mode, **keys})
    return parse_experiment(text, Path("/c.yaml"))


def small(mode: str) -> tuple[nn.Module, Experiment]:
    """A quarter of MobileNetV2: batch norm in the backbone, dropout before the classifier."""
    given = experiment(mode=mode, learning_rate=0.1, model_args={"width_mult": 0.25, "dropout": 0.5})
    torch.manual_seed(0)
    return build_model(given, 3), given


@pytest.mark.parametrize(("name", "head"), HEADS.items())
def test_the_classifier_is_found(name: str, head: tuple[str, int]) -> None:
    with without_storage():
        model = build_model(experiment(name, image_size=SIZES.get(name, 32)), 7)
    prefix, width = head
    (group,) = apply_mode(model, experiment(name, "head", learning_rate=0.3))
    found = head_of(model)
    assert found is not None
    assert found.prefix == prefix
    assert (group.name, group.lr) == ("head", 0.3)
    bias = 0 if name == "maxvit_t" else 7
    assert sum(parameter.numel() for parameter in group.parameters) == width * 7 + bias
    assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == width * 7 + bias


def test_every_family_is_among_them() -> None:
    families = {name.partition("_")[0].rstrip("0123456789") for name in CLASSIFIERS}
    known = {name.partition("_")[0].rstrip("0123456789") for name in HEADS}
    assert families - known == {"resnext", "wide"}  # built by resnet's class


def test_full_trains_everything() -> None:
    model, given = small("full")
    (group,) = apply_mode(model, given)
    assert (group.name, group.lr) == ("all", 0.1)
    assert list(map(id, group.parameters)) == list(map(id, model.parameters()))


def test_split_has_two_rates_and_covers_everything_once() -> None:
    model, given = small("split")
    back, head = apply_mode(model, given)
    assert (back.name, back.lr, head.name, head.lr) == ("back", 1e-4, "head", 1e-2)
    assert sorted(map(id, (*back.parameters, *head.parameters))) == sorted(map(id, model.parameters()))
    assert [tuple(parameter.shape) for parameter in head.parameters] == [(3, 1280), (3,)]


def test_head_leaves_everything_else_to_the_bit() -> None:
    model, given = small("head")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    (group,) = apply_mode(model, given)
    optimizer = torch.optim.SGD(group.parameters, lr=group.lr)
    set_train_mode(model, given)
    for _ in range(2):
        nn.functional.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"classifier.1.weight", "classifier.1.bias"}


def test_head_keeps_the_frozen_part_in_evaluation_and_its_own_dropout_on() -> None:
    model, given = small("head")
    apply_mode(model, given)
    model.train()
    assert has_batch_norm(model)
    set_train_mode(model, given)
    assert not has_batch_norm(model)
    training = {name for name, module in model.named_modules() if module.training}
    assert training == {"", "classifier.0", "classifier.1"}


@pytest.mark.parametrize("mode", ["full", "split"])
def test_other_modes_train_all_layers(mode: str) -> None:
    model, given = small(mode)
    apply_mode(model, given)
    model.eval()
    set_train_mode(model, given)
    assert all(module.training for module in model.modules())


def test_measuring_gives_every_module_its_own_mode_back() -> None:
    model, given = small("head")
    set_train_mode(model, given)
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    with in_evaluation(model):
        assert not any(module.training for module in model.modules())
        torch.rand(3)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("mode", ["head", "split"])
def test_the_attribute_head_comes_first_even_with_linear_layers_behind_it(mode: str) -> None:
    model = Plain(nn.Linear(4, 3))
    model.head = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model.after = nn.Linear(3, 3)
    groups = apply_mode(model, experiment("tinyvgg_a", mode))
    assert [tuple(p.shape) for p in groups[-1].parameters] == [(8, 4), (8,), (3, 8), (3,)]


@pytest.mark.parametrize("mode", ["head", "split"])
def test_no_classifier_is_refused(mode: str) -> None:
    model = Plain(nn.Bilinear(4, 4, 3))
    with pytest.raises(UsageError, match=f"mode {mode}: no classifier was found in tinyvgg_a"):
        apply_mode(model, experiment("tinyvgg_a", mode))
    with pytest.raises(UsageError, match="use mode: full"):
        set_train_mode(model, experiment("tinyvgg_a", "head"))


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)


@pytest.mark.parametrize(
    ("model", "mode", "part"),
    [
        (Plain(frozen(nn.Linear(4, 3))), "head", "classifier"),
        (Plain(frozen(nn.Linear(4, 3))), "split", "classifier"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)), "split", "part before the classifier"),
        (frozen(Plain(nn.Linear(4, 3))), "full", "network"),
        (nn.Flatten(), "full", "network"),
    ],
)
def test_an_empty_group_is_refused(model: nn.Module, mode: str, part: str) -> None:
    with pytest.raises(UsageError, match=f"mode {mode}: the {part} of tinyvgg_a has no trainable parameters"):
        apply_mode(model, experiment("tinyvgg_a", mode))


def test_what_a_network_froze_itself_stays_frozen() -> None:
    model = Plain(nn.Linear(4, 3))
    frozen(model.back[0])
    back, _ = apply_mode(model, experiment("tinyvgg_a", "split"))
    assert [tuple(parameter.shape) for parameter in back.parameters] == [(4,), (4,)]
