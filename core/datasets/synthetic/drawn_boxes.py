"""Synthetic pictures with boxes: a few drawn diatoms in each, a long tail of species, some without any."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.schema import Synthetic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ANNOTATIONS = "annotations"
_TEST_EVERY = 5
_LEAST = 3
_FEWER = 0.55  # share of the pictures with n objects that go on to have one more
_LENGTHS = (0.24, 0.5)
_TRIES = 30
_OVERLAP = 0.1


@dataclass(frozen=True)
class Placed:
    """One object of a picture: class, and x1, y1, x2, y2 in pixels."""

    label: int
    corners: tuple[float, float, float, float]


def class_names(settings: Synthetic) -> tuple[str, ...]:
    """Names of the classes, the species of one genus after another."""
    from core.datasets.synthetic.diatoms import GENERA, SPECIES

    genera = list(GENERA)[: settings.groups]
    pairs = [(index % settings.groups, index // settings.groups) for index in range(settings.classes)]
    return tuple(f"{genera[genus]} {SPECIES[species]}" for genus, species in sorted(pairs))


def object_counts(settings: Synthetic) -> tuple[int, ...]:
    """Objects in each picture: 1 to `most`, fewer the more; none in the share `empty`, evenly spread."""
    import numpy as np

    rng = np.random.default_rng([settings.seed, 1])
    steps = rng.uniform(size=(settings.images, settings.most))
    counts = 1 + np.cumprod(steps[:, 1:] < _FEWER, axis=1).sum(axis=1)
    empty = round(settings.images * settings.empty)
    counts[rng.permutation(settings.images)[:empty]] = 0
    return tuple(counts.tolist())


def labels(settings: Synthetic) -> list[list[int]]:
    """The classes of the objects in each picture.

    Their numbers fall geometrically, the first having `imbalance` times the last's; large and small classes
    alternate, so that a genus has both.
    """
    import numpy as np

    counts = object_counts(settings)
    total, classes = sum(counts), settings.classes
    weights = [settings.imbalance ** (-index / (classes - 1)) for index in range(classes)]
    spread = [weights[i // 2] if i % 2 == 0 else weights[classes - 1 - i // 2] for i in range(classes)]
    wanted = [max(_LEAST, round(total * weight / sum(spread))) for weight in spread]
    every = np.repeat(np.arange(classes), wanted)
    rng = np.random.default_rng([settings.seed, 2])
    drawn = rng.permutation(np.resize(rng.permutation(every), total) if total else every[:0]).tolist()
    rows, start = [], 0
    for number in counts:
        rows.append(drawn[start : start + number])
        start += number
    return rows


def draw_all(folder: Path, settings: Synthetic) -> None:
    """Draw the set: train/0000.png, test/0000.png, annotations/instances_train.json, instances_test.json."""
    from PIL import Image

    names = class_names(settings)
    parts: dict[str, list[tuple[str, list[Placed]]]] = {"train": [], "test": []}
    for index, wanted in enumerate(labels(settings)):
        split = "test" if index % _TEST_EVERY == 0 else "train"
        pixels, placed = draw(index, wanted, settings)
        target = folder / split
        target.mkdir(parents=True, exist_ok=True)
        name = f"{index:05d}.png"
        Image.fromarray(pixels).save(target / name, compress_level=1)
        parts[split].append((name, placed))
    (folder / ANNOTATIONS).mkdir()
    for split, pictures in parts.items():
        text = json.dumps(_document(pictures, names, settings.size), indent=None)
        (folder / ANNOTATIONS / f"instances_{split}.json").write_text(text + "\n", encoding="utf-8")


def draw(index: int, wanted: list[int], settings: Synthetic) -> tuple[NDArray[np.uint8], list[Placed]]:
    """Picture `index`, (size, size, 3), with objects of the classes `wanted`, and where they lie."""
    import numpy as np

    from core.datasets.synthetic.diatoms import paper, valve

    rng = np.random.default_rng([settings.seed, 3, index])
    size, names = settings.size, class_names(settings)
    picture = paper(size, rng)
    ink = rng.uniform(0.1, 0.3, 3)
    placed: list[Placed] = []
    for label in wanted:
        genus, species = names[label].split()
        length = size * rng.uniform(*_LENGTHS)
        cover, shade = valve(genus, species, length, rng.uniform(0, 2 * math.pi), rng)
        top, left = _place(cover, placed, size, rng)
        rows, columns = (np.flatnonzero((cover > 0.5).any(axis=axis)) for axis in (1, 0))
        area = np.s_[top + rows[0] : top + rows[-1] + 1, left + columns[0] : left + columns[-1] + 1]
        inner = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = picture[area]
        body = part * (1 - 0.25 * cover[inner][..., None])
        picture[area] = body + shade[inner][..., None] * (ink - body)
        corners = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
        x1, y1, x2, y2 = (float(value) for value in corners)
        placed.append(Placed(label, (x1, y1, x2, y2)))
    picture += rng.normal(0, rng.uniform(0.01, 0.035), picture.shape)
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8), placed


def _place(
    cover: NDArray[np.float64], placed: list[Placed], size: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Top and left of a valve's square: the valve inside the picture, off the others where there is room."""
    import numpy as np

    rows, columns = (np.flatnonzero((cover > 0.5).any(axis=axis)) for axis in (1, 0))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    best, least = (0, 0), math.inf
    for _ in range(_TRIES):
        top = int(rng.integers(0, size - height + 1))
        left = int(rng.integers(0, size - width + 1))
        box = (left, top, left + width, top + height)
        shared = max((_shared(box, other.corners) for other in placed), default=0.0)
        if shared < least:
            best, least = (top - int(rows[0]), left - int(columns[0])), shared
        if least <= _OVERLAP:
            break
    return best


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The part of the smaller box that both share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(across, 0) * max(down, 0) / min(areas)


def _document(pictures: list[tuple[str, list[Placed]]], names: tuple[str, ...], size: int) -> dict[str, Any]:
    """A COCO file, its ids from 1."""
    annotations: list[dict[str, Any]] = []
    images = []
    for number, (name, placed) in enumerate(pictures, 1):
        images.append({"id": number, "file_name": name, "width": size, "height": size})
        for item in placed:
            x1, y1, x2, y2 = item.corners
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": item.label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": number, "name": name, "supercategory": name.split()[0]} for number, name in enumerate(names, 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}
