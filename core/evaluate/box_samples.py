"""Training pictures with their boxes drawn in, for `core.evaluate.samples`."""

from __future__ import annotations

import colorsys
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.config.schema import Experiment
from core.data.boxes_batches import BoxBatches
from core.data.boxes_store import PictureStore, decoded_pictures
from core.data.boxes_targets import make_targets
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.dataset import Dataset
from core.engine.detection import box_augmentation

LARGEST = 256
_SHOWN = 3


def originals(dataset: Dataset, chosen: Sequence[int]) -> tuple[list[NDArray[np.uint8]], tuple[str, ...]]:
    """The `chosen` training pictures with all their boxes, each `LARGEST` pixels at most, and titles."""
    boxes = _boxes(dataset, chosen)
    side = min(LARGEST, int(boxes.sizes.max()))
    pixels, fitted, _ = decoded_pictures(dataset.root, _paths(dataset, chosen), (side, side), dataset.opening)
    store = PictureStore(pixels, fitted, torch.device("cpu"))
    scale = fitted / boxes.sizes
    drawn = []
    for index in range(store.count):
        part = slice(boxes.offsets[index], boxes.offsets[index + 1])
        corners = boxes.corners[part] * np.tile(scale[index], 2)
        drawn.append(_drawn(store.picture(index).numpy(), corners, boxes.labels[part], side))
    return drawn, titles(dataset, chosen)


def draws(
    experiment: Experiment, dataset: Dataset, chosen: Sequence[int], seed: int, count: int
) -> NDArray[np.uint8]:
    """`count` pictures that training would make of each chosen one: (chosen, count, side, side, 3).

    They take the way of training: fitted pixels, batches of several epochs; drawn are the boxes that a
    network is to find.
    """
    boxes = _boxes(dataset, chosen)
    pixels, fitted, _ = decoded_pictures(
        dataset.root, _paths(dataset, chosen), experiment.sides, dataset.opening
    )
    targets = make_targets(boxes, fitted, ignore_difficult=experiment.data.difficult == "ignore")
    store = PictureStore(pixels, fitted, torch.device("cpu"))
    batches = BoxBatches(store, targets, box_augmentation(experiment), batch=1, seed=seed)
    side = min(LARGEST, int(boxes.sizes.max()))
    found = np.zeros((len(chosen), count, side, side, 3), np.uint8)
    for draw in range(count):
        order = batches.draws(draw + 1).order.tolist()
        for index, batch in zip(order, batches.epoch(draw + 1), strict=True):
            image = (batch.images[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
            target = batch.targets[0]
            found[index, draw] = _drawn(image, target["boxes"].numpy(), target["labels"].numpy(), side)
    return found


def titles(dataset: Dataset, chosen: Sequence[int]) -> tuple[str, ...]:
    """What is in each picture: its commonest classes with their numbers."""
    boxes = _boxes(dataset, chosen)
    found = []
    for index in range(boxes.images):
        labels = boxes.labels[boxes.offsets[index] : boxes.offsets[index + 1]].tolist()
        common = Counter(labels).most_common()
        words = [f"{dataset.class_names[label]} {count}" for label, count in common[:_SHOWN]]
        more = len(common) - _SHOWN
        found.append(", ".join(words) + (f" and {more} more" if more > 0 else "") or "nothing")
    return tuple(found)


def colour(label: int) -> tuple[int, int, int]:
    """A bright colour of a class; neighbouring numbers are far apart on the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb(label * (math.sqrt(5) - 1) / 2 % 1, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _drawn(
    pixels: NDArray[np.uint8], boxes: NDArray[np.floating], labels: NDArray[np.integer], side: int
) -> NDArray[np.uint8]:
    """A picture with boxes, shrunk or enlarged into the middle of a black square of `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(pixels)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    for box, label in zip(boxes * scale, labels.tolist(), strict=True):
        left, top, right, bottom = (round(float(edge)) for edge in box)
        corners = (left, top, max(left, right - 1), max(top, bottom - 1))
        pen.rectangle(corners, outline=colour(label), width=max(1, side // 128))
    canvas = Image.new("RGB", (side, side))
    canvas.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(canvas)


def _boxes(dataset: Dataset, chosen: Sequence[int]) -> Boxes:
    assert dataset.boxes is not None
    return dataset.boxes["train"].select(chosen)


def _paths(dataset: Dataset, chosen: Sequence[int]) -> list[str]:
    return [dataset.splits["train"].paths[index] for index in chosen]
