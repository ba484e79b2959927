"""What a detector is to find in the pictures that it is trained on, in the pixels of those pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.datasets.boxes.box_arrays import Boxes

LEAST_SIDE = 0.5
"""Boxes with a side of fewer pixels than this are not trained on: there is nothing of them to see."""


@dataclass(frozen=True)
class Targets:
    """Boxes to train on; those of picture i are rows `offsets[i]` to `offsets[i + 1]`.

    `boxes` (m, 4) float32 are x1, y1, x2, y2 in the pixels of the pictures as the network sees them;
    `labels` (m,) int64 count from 0, without background. `dropped` boxes were too thin after scaling.
    """

    offsets: tuple[int, ...]
    boxes: Tensor
    labels: Tensor
    dropped: int

    def of(self, index: int) -> tuple[Tensor, Tensor]:
        """Boxes (k, 4) and labels (k,) of picture `index`."""
        part = slice(self.offsets[index], self.offsets[index + 1])
        return self.boxes[part], self.labels[part]


def make_targets(boxes: Boxes, fitted: NDArray[np.int64], *, ignore_difficult: bool) -> Targets:
    """The boxes of a split scaled from the files' pixels to pictures of sizes `fitted` (n, 2), and clipped.

    Regions that hold many objects (crowd) are left out, and difficult objects where metrics ignore them.
    """
    image = np.repeat(np.arange(len(fitted)), np.diff(boxes.offsets))
    scale = (fitted / np.maximum(boxes.sizes, 1))[image]
    room = fitted[image]
    corners = np.asarray(boxes.corners, np.float64).reshape(-1, 2, 2) * scale[:, None, :]
    corners = np.clip(corners, 0, room[:, None, :]).reshape(-1, 4).astype(np.float32)
    asked = ~np.asarray(boxes.crowd, np.bool_)
    if ignore_difficult:
        asked &= ~np.asarray(boxes.difficult, np.bool_)
    seen = ((corners[:, 2:] - corners[:, :2]) >= LEAST_SIDE).all(axis=1)
    kept = asked & seen
    counts = np.bincount(image[kept], minlength=len(fitted))
    return Targets(
        offsets=(0, *np.cumsum(counts).tolist()),
        boxes=torch.from_numpy(corners[kept]),
        labels=torch.from_numpy(np.asarray(boxes.labels, np.int64)[kept]),
        dropped=int((asked & ~seen).sum()),
    )


def turned(boxes: Tensor, width: int, height: int, *, across: bool, over: bool) -> Tensor:
    """Boxes (k, 4) after a picture of that size was mirrored: left to right (`across`), top down (`over`)."""
    left, top, right, bottom = boxes.unbind(1)
    if across:
        left, right = width - right, width - left
    if over:
        top, bottom = height - bottom, height - top
    return torch.stack((left, top, right, bottom), dim=1)


def scaled(boxes: Tensor, labels: Tensor, across: float, over: float) -> tuple[Tensor, Tensor]:
    """Boxes (k, 4) of a picture resized by these factors, and their labels; what becomes too thin goes."""
    boxes = boxes * boxes.new_tensor((across, over, across, over))
    kept = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_SIDE).all(dim=1)
    return boxes[kept], labels[kept]
