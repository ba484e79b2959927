"""The images of a data set's splits, loaded at the sides in which they are looked at, each once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from core.data.cache import Progress, cached_pixels, cached_whole
from core.data.decode import Whole, native_side
from core.data.store import ImageStore, Normalisation
from core.datasets.dataset import Dataset
from core.datasets.depth import Opening
from core.errors import DataError
from core.text import clean

# Resident pixels may take this share of what is free on a device; else batches are made on the CPU.
_DEVICE_SHARE = 0.5
_DECODE_THREADS = 8


@dataclass(frozen=True)
class Loading:
    """How images are loaded: for a network that sees `size` pixels on `device`.

    `tell` is given a line for the log; `cancelled` ends the building of a pixel cache.
    """

    size: int
    normalisation: Normalisation
    device: torch.device
    threads: int
    tell: Callable[[str], None]
    cancelled: Callable[[], bool]


class _How(TypedDict):
    how: Opening
    threads: int
    progress: Progress
    cancelled: Callable[[], bool]


class SplitStores:
    """Image stores by split and side, loaded when first asked for."""

    def __init__(self, dataset: Dataset, loading: Loading) -> None:
        self._dataset = dataset
        self._loading = loading
        self._stores: dict[tuple[str, int], ImageStore] = {}
        self._whole: dict[tuple[str, int], ImageStore] = {}
        self._native = 0

    def store(self, split: str, side: int) -> ImageStore:
        """The split's images as squares of `side` pixels.

        Raises DataError for a split without images and files that cannot be read, Cancelled.
        """
        key = (split, side)
        if key not in self._stores:
            self._stores[key] = self._load(split, side)
        return self._stores[key]

    def whole(self, split: str, side: int) -> ImageStore:
        """The split's images with `side` as their shorter side and the longer one as it is.

        Where all of them are squares it is `store(split, side)`. Raises as that does.
        """
        key = (split, side)
        if key not in self._whole:
            loading = self._loading
            pictures = cached_whole(
                Path(self._dataset.root), self._files(split), side, **self._how(split, side)
            )
            self._whole[key] = as_whole_store(pictures, self._dataset.splits[split].labels, loading)
            if self._whole[key].shapes is None:
                self._stores.setdefault(key, self._whole[key])
        return self._whole[key]

    def native_side(self) -> int:
        """Shorter side of the training images in their files, in pixels: the largest of a few.

        Of the first split's images where there are none to train on.
        """
        split = "train" if "train" in self._dataset.splits else next(iter(self._dataset.splits))
        self._native = self._native or native_side(
            Path(self._dataset.root), self._files(split), self._dataset.opening
        )
        return self._native

    def _files(self, split: str) -> tuple[str, ...]:
        files = self._dataset.splits[split].paths
        if not files:
            raise DataError(f"The {split} split of {clean(str(self._dataset.root))} has no images.")
        return files

    def _load(self, split: str, side: int) -> ImageStore:
        root, files = Path(self._dataset.root), self._files(split)
        pixels = cached_pixels(root, files, side, **self._how(split, side))
        return as_store(pixels, self._dataset.splits[split].labels, self._loading)

    def _how(self, split: str, side: int) -> _How:
        loading = self._loading
        return {
            "how": self._dataset.opening,
            "threads": min(loading.threads, _DECODE_THREADS),
            "progress": announced(loading.tell, f"{split}: decoded {{}} of {{}} images to {side} px"),
            "cancelled": loading.cancelled,
        }


def as_whole_store(pictures: Whole, labels: tuple[int, ...], loading: Loading) -> ImageStore:
    """A store of whole pictures; one of squares when that is what they are."""
    squares = pictures.squares()
    if squares is not None:
        return as_store(squares, labels, loading)
    return as_store(pictures.pixels, labels, loading, torch.from_numpy(pictures.sizes))


def as_store(
    pixels: Tensor, labels: tuple[int, ...], loading: Loading, shapes: Tensor | None = None
) -> ImageStore:
    """A store of decoded `pixels` (n + 2, side, side, 3), or flat ones of many `shapes` (n, 2).

    On the device when they fit there.
    """
    if fits(pixels, loading.device):
        pixels = pixels.to(loading.device)
    return ImageStore(
        pixels,
        torch.tensor(labels, dtype=torch.int64),
        size=loading.size,
        normalisation=loading.normalisation,
        device=loading.device,
        shapes=shapes,
    )


def announced(tell: Callable[[str], None], text: str) -> Callable[[int, int], None]:
    """A progress callback that tells of the first and of the last report; `text` takes done and total."""
    told = False

    def progress(done: int, total: int) -> None:
        nonlocal told
        if not told or done == total:
            tell(text.format(done, total))
            told = True

    return progress


def fits(pixels: Tensor, device: torch.device) -> bool:
    """Whether `pixels` leave enough room on `device` for training."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.numel() < _DEVICE_SHARE * free
