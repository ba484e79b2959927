"""What each mode of a detector trains, by comparing weights before and after a step; frozen stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_large, resnet50, vgg16
from torchvision.models.detection import ssdlite
from torchvision.models.detection.backbone_utils import _mobilenet_extractor, _resnet_fpn_extractor
from torchvision.models.detection.ssd import _vgg_extractor

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.engine.describe import describe
from core.engine.optim import build_optimizer
from core.errors import UsageError
from core.models.detection import detector_losses
from core.models.detectors import full_name
from core.models.modes import apply_mode, set_train_mode
from core.models.registry import build_model

CLASSES = 3
KEYS: dict[str, dict[str, Any]] = {
    "full": {"mode": "full"},
    "head": {"mode": "head"},
    "split": {"mode": "split", "back_lr": 0.001, "head_lr": 0.02},
}
SMALL = ["fasterrcnn_small", "retinanet_small", "fasterrcnn_mobilenet_v2"]
LARGE = ["fasterrcnn", "retinanet"]
FEWER = {"fasterrcnn": {"box_batch_size_per_image": 16, "rpn_post_nms_top_n_train": 16}}


def experiment(model: str, **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d", "format": "voc"}, "model": model, "weights": "none", **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def on_meta(model: str, **keys: Any) -> Any:
    given = experiment(model, **keys)
    with torch.device("meta"):
        return build_model(given, CLASSES).to("meta")


def stepped(given: Experiment) -> tuple[Any, dict[str, Tensor]]:
    """A network after one step of its mode, and its state before."""
    torch.manual_seed(0)
    model: Any = build_model(given, CLASSES)
    groups = apply_mode(model, given)
    set_train_mode(model, given)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = build_optimizer(groups, given, "default")
    random = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 64, 96, generator=random)
    targets = [
        {"boxes": torch.tensor([[8.0, 6, 40, 50], [30, 20, 90, 60]]), "labels": torch.tensor([0, 2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    torch.autograd.backward(sum(detector_losses(model, images, targets).values(), torch.zeros(())))
    optimizer.step()
    return model, before


@pytest.mark.some(6)
@pytest.mark.parametrize("mode", KEYS)
@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_a_step_moves_what_its_mode_names(name: str, mode: str) -> None:
    given = experiment(name, model_args=FEWER.get(name, {}), **KEYS[mode])
    model, before = stepped(given)
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    named = {key for key, _ in model.named_parameters()}
    head = {key for key in named if not key.startswith("backbone.")}
    # A layer for boxes that no positive sample reached, or a bias before a normalisation, may stand still.
    assert moved & head >= {key for key in head if key.endswith("weight")} - {"rpn.head.bbox_pred.weight"}
    if mode == "head":
        assert moved <= head
    else:
        back = {key for key in named if key.startswith("backbone.")}
        assert len(moved & back) > 0.9 * len(back)
        assert any(key.startswith("backbone.fpn.") for key in moved)
        statistics = {key for key in before if key.endswith("running_mean")}
        assert statistics <= moved
    assert moved <= set(before)


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
def test_groups_of_split(name: str) -> None:
    given = experiment(name, **KEYS["split"])
    model = on_meta(name, **KEYS["split"])
    back, head = apply_mode(model, given)
    assert (back.name, back.lr, head.name, head.lr) == ("back", 0.001, "head", 0.02)
    in_back = {key for key, _ in model.named_parameters() if key.startswith("backbone.")}
    ids = {id(parameter) for parameter in back.parameters}
    assert {key for key, parameter in model.named_parameters() if id(parameter) in ids} == in_back
    assert len(head.parameters) == len(list(model.parameters())) - len(in_back)


@pytest.mark.parametrize("name", SMALL)
def test_head_keeps_the_backbone_in_evaluation(name: str) -> None:
    given = experiment(name, mode="head")
    model = on_meta(name, mode="head")
    apply_mode(model, given)
    set_train_mode(model, given)
    assert model.training
    assert not any(module.training for module in model.backbone.modules())
    heads = [model.rpn, model.roi_heads] if hasattr(model, "rpn") else [model.head]
    assert all(module.training for head in heads for module in head.modules())


@pytest.mark.parametrize("name", ["fasterrcnn_small", "retinanet_small", "fasterrcnn"])
@pytest.mark.parametrize("mode", ["head", "split", "full"])
def test_nothing_to_train_is_refused(name: str, mode: str) -> None:
    given = experiment(name, **KEYS[mode])
    model = on_meta(name, **KEYS[mode])
    for key, parameter in model.named_parameters():
        if mode == "full" or not key.startswith("backbone."):
            parameter.requires_grad_(False)
    part = "network" if mode == "full" else "head"
    with pytest.raises(UsageError, match=f"mode {mode}: the {part} of {name} has no trainable parameters"):
        apply_mode(model, given)


def frozen(backbone: nn.Module) -> set[str]:
    return {key for key, parameter in backbone.named_parameters() if not parameter.requires_grad}


def torchvisions(name: str, trained: int) -> nn.Module:
    """The backbone as torchvision freezes it."""
    with torch.device("meta"):
        if "resnet50" in name:
            return _resnet_fpn_extractor(resnet50(), trained)
        if name.startswith("ssd300"):
            return _vgg_extractor(vgg16(), False, trained)
        if name.startswith("ssdlite"):
            backbone = mobilenet_v3_large(reduced_tail=True)
            return ssdlite._mobilenet_extractor(backbone, trained, nn.BatchNorm2d)
        return _mobilenet_extractor(mobilenet_v3_large(), True, trained)


@pytest.mark.some(6)
@pytest.mark.parametrize("trained", [0, 1, 4, 5])
@pytest.mark.parametrize(
    "name",
    [
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "ssd300_vgg16",
        "ssdlite320_mobilenet_v3_large",
    ],
)
def test_frozen_stages_are_torchvisions(name: str, trained: int) -> None:
    model = on_meta(name, trainable_layers=trained)
    expected = frozen(torchvisions(name, trained))
    if "resnet50" in name and trained < 5:
        # torchvision leaves this one out of five to its fixed normalisation, which has no parameters.
        assert {"body.bn1.weight", "body.bn1.bias"} <= expected
    assert frozen(model.backbone) == expected


@pytest.mark.parametrize(
    ("name", "weights", "stages"),
    [
        ("fasterrcnn", "none", 5),
        ("fasterrcnn", "coco", 3),
        ("retinanet", "coco", 3),
        ("fasterrcnn_resnet50_fpn_v2", "coco", 3),
        ("fasterrcnn_mobilenet_v3_large_fpn", "imagenet", 3),
        ("ssd300_vgg16", "coco", 4),
    ],
)
def test_default_stages(name: str, weights: str, stages: int) -> None:
    """As torchvision: all without weights, else so many from the top."""
    model = on_meta(name, weights=weights)
    own = {key for key, _ in model.backbone.named_parameters()}
    assert frozen(model.backbone) == frozen(torchvisions(full_name(name), stages)) & own


def test_the_labs_full_leaves_stem_and_first_stage() -> None:
    """Faster R-CNN on COCO's weights trains all but the stem and layer1, whose counts are torchvision's."""
    document = describe(experiment("fasterrcnn", weights="coco"), 68)
    back, head = document["parts"]
    assert (back["parameters"], back["trainable"]) == (26_799_296, 26_799_296 - 9_408 - 212_992)
    assert head["parameters"] == head["trainable"] == 14_843_240


@pytest.mark.parametrize("name", ["fasterrcnn_small", "fasterrcnn_resnet50_fpn_v2"])
def test_frozen_stages_keep_their_statistics(name: str) -> None:
    given = experiment(name, trainable_layers=1)
    model: Any = on_meta(name, trainable_layers=1)
    apply_mode(model, given)
    set_train_mode(model, given)
    norms = [(key, m) for key, m in model.backbone.named_modules() if isinstance(m, nn.BatchNorm2d)]
    still = {key for key, module in norms if not module.training}
    assert still == {key for key, module in norms if not module.weight.requires_grad}
    assert 0 < len(still) < len(norms)


def test_small_networks_train_all_with_weights_of_a_file() -> None:
    model = on_meta("fasterrcnn_small", weights="/w.pt")
    assert not frozen(model.backbone)
    mobile = on_meta("fasterrcnn_mobilenet_v2", weights="/w.pt")
    assert {key[:6] for key in frozen(mobile.backbone)} == {"body.0", "body.1"}
