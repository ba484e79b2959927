"""What detectors are made of: arguments, batches, anchors; numbers of torchvision's own networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from core.errors import UsageError
from core.models.anchors import KeptAnchors
from core.models.batch_images import BatchImages
from core.models.detection import detector_losses, detector_predict, trace_detector
from tests.engine.detector_tools import CLASSES, EMPTY, TWO, built, images, on_meta


def test_batches_are_torchvisions() -> None:
    """Normalised and padded as torchvision does it with images that need no resizing, for mixed sizes too."""
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    own = BatchImages(mean, std)
    for sizes in (((64, 96), (64, 96)), ((50, 90), (50, 90)), ((64, 90), (48, 100))):
        batch = images(*sizes)
        theirs = GeneralizedRCNNTransform(1, 1, mean, std, _skip_resize=True)
        expected, _ = theirs([image.clone() for image in batch], [dict(TWO), dict(EMPTY)])
        given, targets = own(batch, [TWO, EMPTY])
        assert given.image_sizes == expected.image_sizes
        assert torch.allclose(given.tensors, expected.tensors, atol=1e-6)
        assert targets is not None
        assert torch.equal(targets[0]["boxes"], TWO["boxes"])
    assert not own.state_dict()


def test_ssd_squeezes_images_and_gives_boxes_back() -> None:
    own = BatchImages([0.0] * 3, [1.0] * 3, divisor=1, fixed=(320, 320))
    batch, targets = own(images((160, 640)), [TWO])
    assert batch.tensors.shape == (1, 3, 320, 320)
    assert targets is not None
    assert targets[0]["boxes"][0].tolist() == [4, 20, 30, 116]
    (back,) = own.postprocess([{"boxes": targets[0]["boxes"]}], batch.image_sizes, [(160, 640)])
    assert torch.allclose(back["boxes"], TWO["boxes"])


def test_kept_anchors_are_torchvisions() -> None:
    sizes, ratios = ((12, 18), (24, 37)), ((0.5, 1.0, 2.0),) * 2
    own, theirs = KeptAnchors(sizes, ratios), AnchorGenerator(sizes, ratios)
    for height, width in ((64, 96), (96, 64), (64, 96)):
        batch = ImageList(torch.zeros(2, 3, height, width), [(height, width)] * 2)
        maps = [torch.zeros(2, 8, height // stride, width // stride) for stride in (8, 16)]
        expected, given = theirs(batch, maps), own(batch, maps)
        assert len(given) == 2
        assert all(torch.equal(a, b) for a, b in zip(expected, given, strict=True))


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("fasterrcnn", {"num_classes": 5}, "num_classes cannot be given to fasterrcnn: the data say"),
        ("fasterrcnn", {"min_size": 800}, "use the key image_size"),
        ("retinanet", {"score_thresh": 0.1}, "use the key predict.score_floor"),
        ("retinanet", {"depth": 3}, "retinanet does not accept 'depth'"),
        (
            "fasterrcnn",
            {"rpn_nms_tresh": 0.5},
            "does not accept 'rpn_nms_tresh' .did you mean 'rpn_nms_thresh'",
        ),
        ("ssd300_vgg16", {"size": 512}, "ssd300_vgg16 does not accept 'size'"),
        ("retinanet", {"fg_iou_thresh": "all"}, "retinanet rejects them"),
        ("fasterrcnn_small", {"depth": 3}, "fasterrcnn_small does not accept 'depth'"),
        ("retinanet_small", {"hidden": 3}, "retinanet_small does not accept 'hidden'"),
    ],
)
def test_arguments_that_it_does_not_take(name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        on_meta(name, model_args=arguments)


def test_arguments_are_passed_on() -> None:
    assert on_meta("fasterrcnn", model_args={"box_batch_size_per_image": 17}).roi_heads.fg_bg_sampler
    small = on_meta("fasterrcnn_small", model_args={"width": 16, "channels": 48, "scales": [1.0, 2.0, 3.0]})
    assert small.backbone.out_channels == 48
    assert small.rpn.anchor_generator.sizes[0] == (8, 16, 24)
    sampler = on_meta("fasterrcnn", model_args={"box_batch_size_per_image": 17}).roi_heads.fg_bg_sampler
    assert sampler.batch_size_per_image == 17


def test_statistics_are_the_configs() -> None:
    model = on_meta("fasterrcnn_small", normalize={"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]})
    assert model.transform.mean.shape == (3, 1, 1)
    real = built("fasterrcnn_small", normalize={"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]})
    assert real.transform.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert built("fasterrcnn_small").transform.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_the_network_sees_images_at_their_size() -> None:
    model = built("fasterrcnn_small", image_size={"min": 600, "max": 800})
    seen: list[torch.Size] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    model.eval()
    with torch.no_grad():
        detector_predict(model, images((96, 100), (64, 128)))
    assert seen == [(2, 3, 96, 128)]


def test_tracing_draws_nothing() -> None:
    model = built("fasterrcnn_small")
    state = torch.random.get_rng_state()
    with torch.no_grad():
        trace_detector(model.eval(), torch.zeros(1, 3, 100, 130))
    assert torch.equal(state, torch.random.get_rng_state())


def test_boxes_are_those_of_torchvisions_network() -> None:
    """RetinaNet with torchvision's own forward pass, transform and anchors, weights copied."""
    theirs = get_model("retinanet_resnet50_fpn", weights=None, weights_backbone=None, num_classes=CLASSES)
    theirs.transform = GeneralizedRCNNTransform(96, 128, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    theirs.score_thresh = 0.0
    own = built("retinanet", predict={"score_floor": 0.0})
    own.load_state_dict(theirs.state_dict())
    theirs.eval()
    own.eval()
    batch = images((96, 128))
    with torch.no_grad():
        (expected,) = theirs(batch)
        (found,) = detector_predict(own, batch)
        one = detector_losses(own, batch, [TWO])
        theirs.train()
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        other = theirs(batch, [dict(TWO)])
    assert torch.allclose(found["scores"], expected["scores"][: len(found["scores"])], atol=1e-6)
    assert torch.allclose(found["boxes"][:20], expected["boxes"][:20], atol=1e-3)
    assert {key: float(value) for key, value in one.items()} == pytest.approx(
        {key: float(value) for key, value in other.items()}, rel=1e-5
    )
