"""The networks have the structure that their published parameter counts imply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.config.load import parse_experiment
from core.config.names import TINYVGG
from core.config.schema import Experiment
from core.errors import UsageError
from core.models.registry import build_model, has_batch_norm, parameter_count


def experiment(model: str, **keys: Any) -> Experiment:
    """An experiment with the network `model`."""
    import yaml

    return parse_experiment(yaml.safe_dump({"data": {"root": "/d"}, "model": model, **keys}), Path("/c.yaml"))


# Widths and convolutions by hand: sum of 9*in*out + out (+ 2*out for batch norm), then the linear layers.
COUNTS = {
    "tinyvgg_v4": 1_314_906,
    "tinyvgg_a": 154_218,
    "tinyvgg_b": 157_170,
    "tinyvgg_c": 166_866,
    "tinyvgg_d": 240_594,
    "tinyvgg_e": 324_018,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name: str, count: int) -> None:
    assert parameter_count(build_model(experiment(name), 10)) == count


@pytest.mark.parametrize("name", TINYVGG)
@pytest.mark.parametrize(("classes", "size"), [(10, 32), (3, 50), (7, 64)])
def test_logits_for_other_classes_and_sizes(name: str, classes: int, size: int) -> None:
    model = build_model(experiment(name, image_size=size), classes).eval()
    assert model(torch.zeros(2, 3, size, size)).shape == (2, classes)


@pytest.mark.parametrize("name", TINYVGG)
def test_batch_norm_from_v4_on(name: str) -> None:
    assert has_batch_norm(build_model(experiment(name), 10)) == (name not in TINYVGG[:4])


def test_weights_come_from_the_global_generator() -> None:
    def first() -> torch.Tensor:
        torch.manual_seed(3)
        return next(build_model(experiment("tinyvgg_a"), 10).parameters())

    assert torch.equal(first(), first())


def test_too_small_images_are_refused() -> None:
    with pytest.raises(UsageError, match="image_size must be at least 32: it is 16"):
        build_model(experiment("tinyvgg_a", image_size=16), 10)
