"""Pictures -> uint8 pixels of a fixed square size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.datasets.pictures import is_member, member_pixels, open_picture

# Raise it when the pixels that a file decodes to change: caches of older versions are then left alone.
DECODE_VERSION = 2
_LOOKED_AT = 8


def decode_square(root: Path, path: str, size: int) -> NDArray[np.uint8]:
    """RGB pixels (size, size, 3) of the upright picture at `path` below `root`.

    The shorter side is resized to `size` by PIL's bilinear filter, as torchvision's `Resize(size)` does on
    PIL images, and the middle of the longer side is kept, as its `CenterCrop(size)` does. Raises DataError
    naming the file.
    """
    return _square(open_picture(root, path), size)


def decode_chunk(root: Path, paths: Sequence[str], size: int) -> NDArray[np.uint8]:
    """Pixels (n, size, size, 3) of several. Raises DataError naming a bad one."""
    if not all(map(is_member, paths)):
        return np.stack([decode_square(root, path, size) for path in paths])
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    for place, picture in enumerate(member_pixels(root, paths)):
        same = picture.shape[:2] == (size, size)
        pixels[place] = picture if same else _square(Image.fromarray(picture), size)
    return pixels


def decode_pixels(root: Path, paths: Sequence[str], size: int) -> torch.Tensor:
    """Pixels (n + 2, size, size, 3) as `core.data.cache.cached_pixels` has them, decoded now."""
    black = np.zeros((1, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(np.concatenate([black, decode_chunk(root, paths, size), black]))


def native_side(root: Path, paths: Sequence[str]) -> int:
    """Shorter side in pixels of the largest of a few pictures spread over `paths`, as they are stored."""
    chosen = paths[:: max(1, len(paths) // _LOOKED_AT)]
    return max(min(open_picture(root, path).size) for path in chosen)


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    width, height = image.size
    short, long = min(width, height), max(width, height)
    if short != size:
        scaled = int(size * long / short)
        width, height = (size, scaled) if width <= height else (scaled, size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width != height:
        left, top = round((width - size) / 2.0), round((height - size) / 2.0)
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image)
