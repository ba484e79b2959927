"""The networks have the structure that their published parameter counts imply."""

from __future__ import annotations

import pytest
import torch

from core.errors import UsageError
from core.models.registry import MODELS, build_model, has_batch_norm, parameter_count


@pytest.mark.parametrize(("name", "count"), [("tinyvgg_v4", 1_314_906), ("tinyvgg_a", 154_218)])
def test_parameter_counts(name: str, count: int) -> None:
    assert parameter_count(build_model(name, classes=10, image_size=32)) == count


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize(("classes", "size"), [(10, 32), (3, 50), (7, 64)])
def test_logits_for_other_classes_and_sizes(name: str, classes: int, size: int) -> None:
    model = build_model(name, classes=classes, image_size=size).eval()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, classes)
    assert has_batch_norm(model)


def test_weights_come_from_the_global_generator() -> None:
    def first() -> torch.Tensor:
        torch.manual_seed(3)
        return next(build_model("tinyvgg_a", classes=10, image_size=32).parameters())

    assert torch.equal(first(), first())


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no model 'tinyvg_a'.*'tinyvgg_a'"):
        build_model("tinyvg_a", classes=10, image_size=32)


def test_images_too_small_for_the_poolings() -> None:
    with pytest.raises(UsageError, match="at least 32 pixels: image_size is 16"):
        build_model("tinyvgg_a", classes=10, image_size=16)
