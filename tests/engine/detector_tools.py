"""Small inputs and networks for tests of detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.models.registry import build_model

CLASSES = 3


def experiment(model: str, **keys: Any) -> Experiment:
    tree = {"data": {"root": "/d", "format": "voc"}, "model": model, "weights": "none", **keys}
    return parse_experiment(yaml.safe_dump(tree), Path("/c.yaml"))


def built(model: str, **keys: Any) -> Any:
    given = experiment(model, **keys)
    torch.manual_seed(0)
    return build_model(given, CLASSES)


def on_meta(model: str, classes: int = CLASSES, **keys: Any) -> Any:
    given = experiment(model, **keys)
    with torch.device("meta"):
        return build_model(given, classes).to("meta")


def images(*sizes: tuple[int, int], seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.rand(3, *size, generator=random) for size in sizes]


def target(*rows: tuple[float, float, float, float, int]) -> dict[str, Tensor]:
    return {
        "boxes": torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([row[4] for row in rows], dtype=torch.int64),
    }


TWO = target((8, 10, 60, 58, 0), (40, 20, 90, 70, 2))
EMPTY = target()
