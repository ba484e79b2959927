"""Whole pictures of a split with their boxes, where batches are made of them: all sizes, one flat array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.data.cache import Progress, cache_key, stored_array
from core.datasets.depth import PLAIN, Opening
from core.datasets.pictures import each, open_fitting, open_picture
from core.errors import DataError
from core.text import clean

# Bytes of decoded pixels that one thread hands over at a time.
_CHUNK_BYTES = 2**24


def fitted_sizes(sizes: NDArray[np.integer], sides: tuple[int, int]) -> NDArray[np.int64]:
    """Widths and heights (n, 2) that pictures of `sizes` (n, 2) have for the network.

    The shorter side becomes `sides[0]` unless the longer one would then exceed `sides[1]`; proportions stay,
    to the rounding of pixels. As torchvision's detectors do it, which cut fractions off where this rounds.
    """
    wide = np.asarray(sizes, np.float64).reshape(-1, 2)
    scale = np.minimum(sides[0] / wide.min(axis=1), sides[1] / wide.max(axis=1))
    fitted: NDArray[np.int64] = np.maximum(np.rint(wide * scale[:, None]), 1).astype(np.int64)
    return fitted


class PictureStore:
    """Pictures as flat `pixels` (bytes,), uint8, one after the other, each (height, width, 3).

    `sizes` (n, 2) are their widths and heights. Pixels stay where they are (`home`); images come out on
    `device`.
    """

    def __init__(self, pixels: Tensor, sizes: NDArray[np.int64], device: torch.device) -> None:
        self.pixels = pixels
        self.sizes: list[tuple[int, int]] = [(int(width), int(height)) for width, height in sizes]
        self.device = device
        self.home = pixels.device
        self._starts = [0, *np.cumsum(3 * sizes[:, 0] * sizes[:, 1]).tolist()]

    @property
    def count(self) -> int:
        return len(self.sizes)

    def picture(self, index: int) -> Tensor:
        """Picture `index`: (height, width, 3), uint8, a view of the pixels."""
        width, height = self.sizes[index]
        return self.pixels[self._starts[index] : self._starts[index + 1]].view(height, width, 3)

    def stacked(self, indices: Sequence[int]) -> Tensor:
        """Pictures of one size: (k, height, width, 3), uint8, on the device."""
        return self.place(torch.stack([self.picture(index) for index in indices]))

    def images(self, indices: Sequence[int]) -> Tensor:
        """Pictures of one size as a network sees them: (k, 3, height, width), float32, 0..1."""
        return as_planes(self.stacked(indices)).transpose(0, 1)

    def place(self, table: Tensor) -> Tensor:
        """`table` on the device, without waiting for the copy."""
        if self.device.type == "cuda" and table.device.type == "cpu":
            return table.pin_memory().to(self.device, non_blocking=True)
        return table.to(self.device)


def as_planes(pixels: Tensor) -> Tensor:
    """Pixels (k, height, width, 3), uint8 -> planes (3, k, height, width), float32, 0..1."""
    planes = pixels.permute(3, 0, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    return planes.div_(255)


def equal_sizes(sizes: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """The pictures' indices in groups of one size, at most `most` in a group; none depends on another."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    return [group[start : start + most] for group in groups.values() for start in range(0, len(group), most)]


def cached_pictures(
    root: Path,
    paths: Sequence[str],
    sizes: NDArray[np.integer],
    sides: tuple[int, int],
    *,
    how: Opening = PLAIN,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Tensor:
    """Flat pixels for a `PictureStore` of the pictures fitted to `sides`, mapped from the cache.

    `sizes` (n, 2) are the upright sizes of the files. Built first when not in the cache, as
    `core.data.cache.cached_pixels`. Raises DataError also for a picture of another size, Cancelled.
    """
    fitted = fitted_sizes(sizes, sides)
    lengths = 3 * fitted[:, 0] * fitted[:, 1]
    layout = np.ascontiguousarray(np.asarray(sizes, np.int64)).tobytes().hex()
    parts = [
        (
            len(part),
            partial(_decoded, root, [paths[i] for i in part], sizes[part], fitted[part], how, cancelled),
        )
        for part in _chunks(lengths)
    ]
    return stored_array(
        cache_key(root, paths, f"{sides} {layout}", how),
        (int(lengths.sum()),),
        parts,
        threads=threads,
        progress=progress,
        cancelled=cancelled,
    )


def decoded_pictures(
    root: Path, paths: Sequence[str], sides: tuple[int, int], how: Opening = PLAIN
) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int64]]:
    """Pictures decoded now: flat pixels, their fitted sizes (n, 2), and the sizes (n, 2) of the files.

    Raises DataError naming a file that cannot be read.
    """
    pictures = each(paths, lambda path: open_picture(root, path, how))
    sizes = np.array([picture.size for picture in pictures], np.int64).reshape(-1, 2)
    fitted = fitted_sizes(sizes, sides)
    data = b"".join(_resized(picture, size) for picture, size in zip(pictures, fitted, strict=True))
    return torch.frombuffer(bytearray(data), dtype=torch.uint8), fitted, sizes


def _chunks(lengths: NDArray[np.int64]) -> list[list[int]]:
    """Indices in order, in parts of about `_CHUNK_BYTES`."""
    chunks: list[list[int]] = []
    room = 0
    for index, length in enumerate(lengths.tolist()):
        if room <= 0:
            chunks.append([])
            room = _CHUNK_BYTES
        chunks[-1].append(index)
        room -= length
    return chunks


def _decoded(
    root: Path,
    paths: Sequence[str],
    sizes: NDArray[np.integer],
    fitted: NDArray[np.int64],
    how: Opening,
    cancelled: Callable[[], bool],
) -> bytes:
    place = {path: index for index, path in enumerate(paths)}

    def one(path: str) -> bytes:
        if cancelled():
            return b""
        size, wanted = sizes[place[path]], fitted[place[path]]
        picture, whole = open_fitting(root, path, (int(wanted[0]), int(wanted[1])), how)
        if whole != (int(size[0]), int(size[1])):
            raise DataError(
                f"{clean(str(root / path))} has {whole[0]}x{whole[1]} pixels, where its boxes "
                f"were read for {size[0]}x{size[1]}: put the picture back, or start a new run."
            )
        return _resized(picture, wanted)

    return b"".join(each(paths, one))


def _resized(picture: Image.Image, size: NDArray[np.int64]) -> bytes:
    """RGB bytes of a picture brought to `size` by PIL's bilinear filter."""
    wanted = (int(size[0]), int(size[1]))
    if picture.size != wanted:
        picture = picture.resize(wanted, Image.Resampling.BILINEAR)
    return picture.tobytes()
