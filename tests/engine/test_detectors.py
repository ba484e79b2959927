"""Every detector by name: what it is built of, its losses, its boxes, and labels that count from 0."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.detection.image_list import ImageList

from core.config.names import DETECTORS
from core.engine.describe import describe
from core.models.anchors import KeptAnchors
from core.models.detection import (
    detector_losses,
    detector_measure,
    detector_predict,
    first_label,
)
from core.models.modes import apply_mode, set_train_mode
from core.models.registry import build_model
from tests.engine.detector_tools import CLASSES, EMPTY, TWO, built, experiment, images, on_meta, target

TERMS = {
    "rcnn": {"classifier", "box_reg", "objectness", "rpn_box_reg"},
    "fcos": {"classification", "bbox_regression", "bbox_ctrness"},
    "retinanet": {"classification", "bbox_regression"},
    "ssd": {"classification", "bbox_regression"},
}
LIGHT = ["fasterrcnn_small", "retinanet_small", "fasterrcnn_mobilenet_v2"]
FAMILIES = [*LIGHT, "fcos_resnet50_fpn", "ssdlite320_mobilenet_v3_large"]
# torchvision's own numbers of parameters, for 68 classes and for its 90 of COCO.
COUNTS = {
    "fasterrcnn": 41_755_286,
    "fasterrcnn_resnet50_fpn_v2": 43_712_278,
    "fasterrcnn_mobilenet_v3_large_fpn": 19_386_354,
    "fasterrcnn_mobilenet_v3_large_320_fpn": 19_386_354,
    "retinanet": 34_014_999,
    "retinanet_resnet50_fpn_v2": 38_198_935,
    "fcos_resnet50_fpn": 32_269_600,
    "ssd300_vgg16": 35_641_826,
    "ssdlite320_mobilenet_v3_large": 3_440_060,
}


def family(name: str) -> str:
    starts = {"fasterrcnn": "rcnn", "fcos": "fcos", "retinanet": "retinanet", "ssd": "ssd"}
    return next(kind for start, kind in starts.items() if name.startswith(start))


def offset(name: str) -> int:
    return 1 if family(name) in ("rcnn", "ssd") else 0


def predictor_of(model: Any) -> list[nn.Module]:
    """The layers whose outputs are scores of classes."""
    if hasattr(model, "roi_heads"):
        return [model.roi_heads.box_predictor.cls_score]
    head = model.head.classification_head
    if hasattr(head, "cls_logits"):
        return [head.cls_logits]
    return [part if isinstance(part, nn.Conv2d) else part[-1] for part in head.module_list]


@pytest.mark.some(4)
@pytest.mark.parametrize("name", DETECTORS)
def test_every_name_is_described(name: str) -> None:
    document = describe(experiment(name, image_size={"min": 320, "max": 416}), CLASSES)
    assert document["error"] is None
    parts = {part["name"]: part["parameters"] for part in document["parts"]}
    assert set(parts) == {"backbone", "head"}
    assert min(parts.values()) > 0
    assert sum(parts.values()) == document["parameters"] == document["trainable"]
    assert sum(layer["parameters"] for layer in document["layers"]) == document["parameters"]
    silent = [layer["name"] for layer in document["layers"] if layer["parameters"] and not layer["shape"]]
    assert silent == (["backbone"] if name == "ssd300_vgg16" else [])
    assert document["checkpoint_bytes"] > 8 * document["parameters"]


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_networks_are_torchvisions(name: str, count: int) -> None:
    """By torchvision's own counts for COCO: 90 classes and background, or 91 where there is none."""
    model = on_meta(name, 91 - offset(name))
    frozen = experiment(name, weights="coco")
    statistics = sum(p.numel() for p in model.parameters()) - count
    if frozen.model in ("fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2") or family(name) == "ssd":
        assert statistics == 0
    else:
        # Published counts are those of networks whose normalisation is fixed and has no parameters.
        norms = [m for m in model.backbone.body.modules() if isinstance(m, nn.BatchNorm2d)]
        assert statistics == sum(2 * norm.num_features for norm in norms)


@pytest.mark.some(5)
@pytest.mark.parametrize("name", DETECTORS)
def test_outputs_count_background_where_the_family_does(name: str) -> None:
    model = on_meta(name)
    assert first_label(name) == model.first_label == offset(name)
    for layer in predictor_of(model):
        rows = layer.weight.shape[0]
        anchors = 1 if hasattr(model, "roi_heads") else rows // (CLASSES + offset(name))
        assert rows == anchors * (CLASSES + offset(name))
    if not hasattr(model, "roi_heads"):
        generator = model.anchor_generator
        assert {layer.weight.shape[0] // (CLASSES + offset(name)) for layer in predictor_of(model)} == set(
            generator.num_anchors_per_location()
        )


@pytest.mark.some(5)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("label", range(CLASSES))
def test_class_keeps_its_number(name: str, label: int) -> None:
    """With scores that say nothing but one class, boxes found are of that class, and so is the least loss."""
    model = built(name, predict={"score_floor": 0.3})
    with torch.no_grad():
        for layer in predictor_of(model):
            layer.weight.zero_()
            each = layer.bias.view(-1, CLASSES + offset(name))
            each[:] = -4.0
            each[:, label + offset(name)] = 4.0
        if name.startswith("fcos"):
            model.head.regression_head.bbox_ctrness.bias.fill_(4.0)
    model.eval()
    batch = images((96, 96))
    with torch.no_grad():
        (found,) = detector_predict(model, batch)
        assert len(found["labels"]) > 0
        assert set(found["labels"].tolist()) == {label}
        key = "classifier" if hasattr(model, "roi_heads") else "classification"
        losses = []
        for truth in range(CLASSES):
            torch.manual_seed(1)
            losses.append(float(detector_losses(model, batch, [target((20, 16, 70, 80, truth))])[key]))
    assert losses.index(min(losses)) == label
    assert max(losses) > min(losses)


@pytest.mark.some(1)
@pytest.mark.parametrize("name", LIGHT[:2])
def test_box_of_a_class_is_learnt(name: str) -> None:
    """Two pictures of bright squares: class 0 and class 2 come back where they are, and as what they are."""
    torch.manual_seed(0)
    model = built(name)
    pictures = torch.full((2, 3, 96, 96), 0.2)
    pictures[0, 0, 20:60, 16:56] = 1.0
    pictures[1, 2, 40:80, 36:76] = 1.0
    truth = [target((16, 20, 56, 60, 0)), target((36, 40, 76, 80, 2))]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(sum(detector_losses(model, pictures, truth).values(), torch.zeros(())))
        optimizer.step()
    # Two pictures alone make poor statistics: measure with those of the batch.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        detector_losses(model, pictures, truth)
    model.eval()
    with torch.no_grad():
        found = detector_predict(model, pictures)
    for one, right in zip(found, truth, strict=True):
        assert one["labels"][0] == right["labels"][0]
        assert one["scores"][0] > 0.5
        assert (one["boxes"][0] - right["boxes"][0]).abs().max() < 6


@pytest.mark.some(3)
@pytest.mark.parametrize("name", [*FAMILIES, "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_losses_and_boxes_of_mixed_and_empty_images(name: str) -> None:
    model = built(name)
    batch = images((96, 128), (80, 100))
    model.train()
    for truth in ([TWO, EMPTY], [EMPTY, EMPTY]):
        terms = detector_losses(model, batch, truth)
        assert set(terms) == TERMS[family(name)]
        assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
    total = sum(terms.values(), torch.zeros(()))
    torch.autograd.backward(total)
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    model.eval()
    with torch.inference_mode():
        found = detector_predict(model, batch)
    for one, image in zip(found, batch, strict=True):
        assert set(one) == {"boxes", "labels", "scores"}
        assert one["boxes"].shape == (len(one["labels"]), 4)
        assert len(one["scores"]) == len(one["labels"])
        assert len(one["labels"]) <= 100
        limit = torch.tensor([image.shape[2], image.shape[1]] * 2)
        assert ((one["boxes"] >= 0) & (one["boxes"] <= limit + 1e-3)).all()
        assert (one["scores"].diff() <= 0).all()
        assert ((one["labels"] >= 0) & (one["labels"] < CLASSES)).all()


@pytest.mark.parametrize("name", LIGHT)
def test_measuring_moves_nothing(name: str) -> None:
    """Losses and boxes in evaluation: the same each time, nothing of the model changed, all in one pass."""
    model = built(name)
    model.train()
    batch = images((96, 128), (96, 128))
    detector_losses(model, batch, [TWO, EMPTY])
    model.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    passes = []
    model.backbone.register_forward_hook(lambda *_: passes.append(1))
    with torch.inference_mode():
        torch.manual_seed(5)
        losses, found = detector_measure(model, batch, [TWO, EMPTY])
        assert len(passes) == 1
        torch.manual_seed(5)
        again = detector_losses(model, batch, [TWO, EMPTY])
        alone = detector_predict(model, batch)
    assert {key: float(value) for key, value in losses.items()} == {k: float(v) for k, v in again.items()}
    for one, other in zip(found, alone, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("name", LIGHT)
def test_a_training_step_after_measuring(name: str) -> None:
    """Anchors that were made while measuring take part in a training step."""
    model = built(name)
    batch = images((96, 96))
    model.eval()
    with torch.inference_mode():
        detector_predict(model, batch)
    model.train()
    torch.autograd.backward(sum(detector_losses(model, batch, [TWO]).values(), torch.zeros(())))


@pytest.mark.parametrize("name", LIGHT)
def test_one_tensor_is_a_list_of_images(name: str) -> None:
    model = built(name)
    model.eval()
    whole = torch.stack(images((96, 120), (96, 120)))
    keep = whole.clone()
    truth = [TWO, EMPTY]
    kept = {key: value.clone() for key, value in TWO.items()}
    with torch.no_grad():
        torch.manual_seed(2)
        one = detector_losses(model, whole, truth)
        torch.manual_seed(2)
        other = detector_losses(model, list(whole), truth)
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert torch.equal(whole, keep)
    assert all(torch.equal(TWO[key], kept[key]) for key in kept)


def test_no_proposals_and_no_objects_are_no_loss() -> None:
    """Where RPN finds nothing in an image without objects, the loss is not 0 / 0."""
    model = built("fasterrcnn_small")
    model.rpn.score_thresh = 1.1
    terms = detector_losses(model, images((64, 64)), [EMPTY])
    assert all(torch.isfinite(term) for term in terms.values())


@pytest.mark.parametrize("name", [*LIGHT, "ssdlite320_mobilenet_v3_large"])
def test_predict_settings(name: str) -> None:
    floors = {}
    for floor, most, iou in ((0.0, 7, 0.5), (0.9999, 100, 0.5), (0.0, 1000, 0.9), (0.0, 1000, 0.1)):
        model = built(name, predict={"score_floor": floor, "max_det": most, "nms_iou": iou})
        model.eval()
        with torch.no_grad():
            (found,) = detector_predict(model, images((96, 96)))
        floors[floor, most, iou] = len(found["labels"])
    assert floors[0.0, 7, 0.5] == 7
    assert floors[0.9999, 100, 0.5] == 0
    assert floors[0.0, 1000, 0.9] > floors[0.0, 1000, 0.1]


@pytest.mark.some(1)
@pytest.mark.parametrize("name", [*LIGHT[:2], "ssdlite320_mobilenet_v3_large"])
def test_boxes_stay_float32_under_autocast(name: str) -> None:
    """Bfloat16 knows 8 digits: at 1000 pixels it would be wrong by four."""
    model = built(name, predict={"score_floor": 0.0})
    seen: list[torch.dtype] = []
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        losses, (found,) = detector_measure(model, images((96, 96)), [TWO])
        holder = model.rpn if hasattr(model, "rpn") else model
        blank = torch.zeros(1, 4, 3, 3, dtype=torch.bfloat16)
        seen = [a.dtype for a in KeptAnchors(((8,),), ((1.0,),))(ImageList(blank, [(24, 24)]), [blank])]
        assert holder.anchor_generator is not None
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        total = sum(detector_losses(model, images((96, 96), (96, 96)), [TWO, TWO]).values(), torch.zeros(()))
    torch.autograd.backward(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert found["boxes"].dtype == torch.float32
    assert set(seen) == {torch.float32}
    assert all(term.dtype == torch.float32 and torch.isfinite(term) for term in losses.values())
    fractions = found["boxes"].remainder(1)
    assert ((fractions * 256).remainder(1) != 0).any()


def test_full_mode_of_a_fresh_network_trains_all() -> None:
    given = experiment("fasterrcnn_small")
    model = build_model(given, CLASSES)
    (group,) = apply_mode(model, given)
    assert len(group.parameters) == len(list(model.parameters()))
    set_train_mode(model, given)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("name", LIGHT)
def test_state_loads_as_a_plain_mapping(name: str) -> None:
    """As it is in a checkpoint, without torch's marks of versions."""
    model, other = built(name, **_deeper(name)), built(name, **_deeper(name))
    for parameter in other.parameters():
        parameter.data.add_(1)
    other.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in other.state_dict().items())


def _deeper(name: str) -> dict[str, Any]:
    return {"model_args": {"convs": 3}} if name == "retinanet_small" else {}
