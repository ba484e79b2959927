"""Pictures -> uint8 pixels with a shorter side of fixed length: as squares, or as long as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.datasets.depth import PLAIN, Opening
from core.datasets.opening import read_header
from core.datasets.pictures import each, is_member, member_pixels, open_fitting, open_picture

# Raise it when the pixels that a file decodes to change: caches of older versions are then left alone.
DECODE_VERSION = 2
LONGEST = 4
"""Of a picture that is longer than so many times its shorter side, that much of the middle is kept."""
_LOOKED_AT = 8


@dataclass(frozen=True)
class Whole:
    """Pictures of many shapes: flat `pixels` (bytes,), uint8, and `sizes` (n, 2), width and height.

    Between side * side black pixels before and behind, one picture follows the other, each (height, width, 3)
    with a shorter side of `side` pixels.
    """

    pixels: torch.Tensor
    sizes: NDArray[np.int32]
    side: int

    def squares(self) -> torch.Tensor | None:
        """The same as `decode_pixels` has them when all are squares, else None."""
        if (self.sizes != self.side).any():
            return None
        return self.pixels.view(len(self.sizes) + 2, self.side, self.side, 3)


def decode_square(root: Path, path: str, size: int, how: Opening = PLAIN) -> NDArray[np.uint8]:
    """RGB pixels (size, size, 3) of the upright picture at `path` below `root`.

    The shorter side is resized to `size` by PIL's bilinear filter, as torchvision's `Resize(size)` does on
    PIL images, and the middle of the longer side is kept, as its `CenterCrop(size)` does. Raises DataError
    naming the file.
    """
    return _square(open_fitting(root, path, (size, size), how)[0], size)


def decode_chunk(root: Path, paths: Sequence[str], size: int, how: Opening = PLAIN) -> NDArray[np.uint8]:
    """Pixels (n, size, size, 3) of several. Raises DataError naming a bad one."""
    if not all(map(is_member, paths)):
        return np.stack(each(paths, lambda path: decode_square(root, path, size, how)))
    pixels = np.empty((len(paths), size, size, 3), dtype=np.uint8)
    for place, picture in enumerate(member_pixels(root, paths)):
        same = picture.shape[:2] == (size, size)
        pixels[place] = picture if same else _square(Image.fromarray(picture), size)
    return pixels


def decode_pixels(root: Path, paths: Sequence[str], size: int, how: Opening = PLAIN) -> torch.Tensor:
    """Pixels (n + 2, size, size, 3) as `core.data.cache.cached_pixels` has them, decoded now."""
    black = np.zeros((1, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(np.concatenate([black, decode_chunk(root, paths, size, how), black]))


def decode_shapes(
    root: Path, paths: Sequence[str], size: int, how: Opening = PLAIN
) -> list[NDArray[np.uint8]]:
    """Pixels (height, width, 3) of several, each with `size` as its shorter side.

    As torchvision's `Resize(size)` makes them; of the longer side at most LONGEST * `size` are kept, in the
    middle. Raises as `decode_chunk` does.
    """
    if not all(map(is_member, paths)):
        return each(
            paths,
            lambda path: _middle(
                _scaled(open_fitting(root, path, (size, size), how)[0], size), LONGEST * size
            ),
        )
    pictures = (Image.fromarray(picture) for picture in member_pixels(root, paths))
    return [_middle(_scaled(picture, size), LONGEST * size) for picture in pictures]


def decode_whole(root: Path, paths: Sequence[str], size: int, how: Opening = PLAIN) -> Whole:
    """The same as `core.data.cache.cached_whole`, decoded now."""
    shapes = decode_shapes(root, paths, size, how)
    black = np.zeros(3 * size * size, np.uint8)
    pixels = np.concatenate([black, *(shape.reshape(-1) for shape in shapes), black])
    return Whole(torch.from_numpy(pixels), sizes_of(shapes), size)


def sizes_of(shapes: Sequence[NDArray[np.uint8]]) -> NDArray[np.int32]:
    """Widths and heights (n, 2) of pixels (height, width, 3)."""
    return np.array([shape.shape[1::-1] for shape in shapes], np.int32).reshape(-1, 2)


def native_side(root: Path, paths: Sequence[str], how: Opening = PLAIN) -> int:
    """Shorter side in pixels of the largest of a few pictures spread over `paths`, as they are stored.

    Raises PicturesError when one of them is no picture.
    """
    chosen = paths[:: max(1, len(paths) // _LOOKED_AT)]
    return max(each(chosen, lambda path: _shorter(root, path, how)))


def _shorter(root: Path, path: str, how: Opening) -> int:
    return min(open_picture(root, path).size if is_member(path) else read_header(root / path, how).size)


def _square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    return _middle(_scaled(image, size), size)


def _scaled(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    short, long = min(width, height), max(width, height)
    if short == size:
        return image
    scaled = int(size * long / short)
    width, height = (size, scaled) if width <= height else (scaled, size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _middle(image: Image.Image, most: int) -> NDArray[np.uint8]:
    """What of the picture is at most `most` pixels wide and high, around its middle."""
    width, height = image.size
    if max(width, height) > most:
        across, over = min(width, most), min(height, most)
        left, top = round((width - across) / 2.0), round((height - over) / 2.0)
        image = image.crop((left, top, left + across, top + over))
    return np.asarray(image)
