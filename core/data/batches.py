"""Batches made on the device out of resident uint8 pixels, without touching single images from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.data.augment import Augmentation
from core.data.colour import jitter
from core.data.draws import EpochDraws, draw_epoch

_AHEAD_IMAGES = 256
_AHEAD_BYTES = 2**20


@dataclass(frozen=True)
class Batch:
    """Normalised images (n, 3, size, size), float32, channels_last, and labels (n,), int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Normalisation:
    """Channel mean and standard deviation of pixels in 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ImageStore:
    """All images of a split: pixels (count + 2, stored, stored, 3), uint8, first and last black; labels.

    Both stay where `pixels` is; batches come out on `device`.
    """

    def __init__(
        self, pixels: Tensor, labels: Tensor, *, size: int, normalisation: Normalisation, device: torch.device
    ) -> None:
        self.count = pixels.shape[0] - 2
        self.stored = pixels.shape[1]
        self.size = size
        self.device = device
        self.labels = labels.to(pixels.device)
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        # One row of pixels at a time: a run of 3 * size numbers is fast, a run of 3 is not.
        self._scale = (1 / (255 * std)).float().repeat(size).to(device)
        self._unit_scale = (1 / std).float().repeat(size).to(device)
        self._shift = (-mean / std).float().repeat(size).to(device)
        starts = pixels.shape[0] * self.stored * self.stored - size + 1
        self._rows = pixels.reshape(-1).as_strided((starts, 3 * size), (3, 1))
        self._line = torch.arange(size, device=pixels.device)

    def crop(self, index: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Crops (n, size, 3 * size), uint8, of images `index` (n,) at `top`, `left` (n,).

        Above and below an image is black; beside it are other pixels, for the caller to blacken.
        """
        row = top[:, None] + self._line
        start = ((index + 1) * self.stored)[:, None] + row
        start = torch.where((row >= 0) & (row < self.stored), start * self.stored + left[:, None], 0)
        crops = self._rows.index_select(0, start.view(-1))
        return crops.view(-1, self.size, 3 * self.size)

    def normalise(self, crops: Tensor) -> Tensor:
        """Crops (n, size, 3 * size) in 0..255 -> images (n, 3, size, size), float32, channels_last."""
        return self._images(torch.addcmul(self._shift, crops.to(self.device).float(), self._scale))

    def normalise_unit(self, crops: Tensor) -> Tensor:
        """The same for float32 crops in 0..1."""
        return self._images(torch.addcmul(self._shift, crops.to(self.device), self._unit_scale))

    def _images(self, rows: Tensor) -> Tensor:
        return rows.view(-1, self.size, self.size, 3).permute(0, 3, 1, 2)


class TrainBatches:
    """Augmented batches of every epoch; the same for the same (seed, epoch, step), whatever came before."""

    def __init__(
        self, store: ImageStore, augmentation: Augmentation, *, batch: int, seed: int, drop_single: bool
    ) -> None:
        self.store = store
        self.augmentation = augmentation
        self.batch = batch
        self.seed = seed
        left_out = drop_single and batch > 1 and store.count > 1 and store.count % batch == 1
        self.images = store.count - left_out
        self.steps = -(-self.images // batch)
        self.left_out = int(left_out)
        # Cropping several batches at once costs less than one at a time: their pixels are few bytes.
        self._ahead = max(1, min(_AHEAD_IMAGES, _AHEAD_BYTES // (3 * store.size**2)) // batch)
        self._low, self._high = augmentation.offsets(store.stored)
        columns = torch.arange(self._low, self._high + 1)[:, None] + torch.arange(store.size)
        inside = ((columns >= 0) & (columns < store.stored)).to(torch.uint8)
        self._inside = inside.repeat_interleave(3, dim=1).to(store.labels.device)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Batches of `epoch` (from 1) from step `first` (from 0) on."""
        draws = self.draws(epoch)
        for start in range(first, self.steps, self._ahead):
            steps = range(start, min(start + self._ahead, self.steps))
            crops, labels = self._crops(draws, steps)
            for step in steps:
                part = slice((step - start) * self.batch, (step - start + 1) * self.batch)
                yield Batch(self._images(crops[part], draws, step), labels[part])

    def draws(self, epoch: int) -> EpochDraws:
        """The epoch's random tables, moved to where the pixels are."""
        drawn = draw_epoch(
            self.store.count, self.steps, self.store.stored, self.augmentation, self.seed, epoch
        )
        home = self.store.labels.device
        return replace(
            drawn,
            order=drawn.order.to(home),
            top=drawn.top.to(home),
            left=drawn.left.to(home),
            flip=drawn.flip.to(home),
            factors=None if drawn.factors is None else drawn.factors.to(home),
        )

    def _crops(self, draws: EpochDraws, steps: range) -> tuple[Tensor, Tensor]:
        """Crops (n, size, 3 * size), uint8, and labels of several steps."""
        store, size = self.store, self.store.size
        part = slice(steps.start * self.batch, min(steps.stop * self.batch, self.images))
        index, left = draws.order[part], draws.left[part]
        crops = store.crop(index, draws.top[part], left)
        if self.augmentation.pad:
            crops.mul_(self._inside.index_select(0, left - self._low)[:, None, :])
        if self.augmentation.flip:
            crops = _flip(crops.view(-1, size, size, 3), draws.flip[part]).view(-1, size, 3 * size)
        return crops, store.labels.index_select(0, index).to(store.device)

    def _images(self, crops: Tensor, draws: EpochDraws, step: int) -> Tensor:
        """Normalised images of one step, their colours changed when that is asked for."""
        if draws.factors is None or draws.sequence is None:
            return self.store.normalise(crops)
        start = step * self.batch
        factors = draws.factors[start : start + len(crops)]
        return self.store.normalise_unit(
            _jittered(crops, self.store.size, factors, draws.sequence[step].tolist())
        )


def eval_batches(store: ImageStore, batch: int) -> Iterator[Batch]:
    """All images in their order, the centre of each when it is stored larger; nothing random."""
    offset = round((store.stored - store.size) / 2.0)
    home = store.labels.device
    for start in range(0, store.count, batch):
        index = torch.arange(start, min(start + batch, store.count), device=home)
        place = torch.full_like(index, offset)
        crops = store.crop(index, place, place)
        yield Batch(store.normalise(crops), store.labels[start : start + batch].to(store.device))


def _flip(images: Tensor, flip: Tensor) -> Tensor:
    """Mirror the images (n, h, w, 3) whose `flip` is 1: copying whole images beats `where` on bytes."""
    count = images.shape[0]
    both = torch.cat((images, images.flip(2)))
    return both.index_select(0, torch.arange(count, device=flip.device) + count * flip)


def _jittered(crops: Tensor, size: int, factors: Tensor, sequence: Sequence[int]) -> Tensor:
    """Crops (n, size, 3 * size) in 0..255 -> the same in 0..1, float32, with their colours changed."""
    planes = (
        crops.view(-1, size, size, 3)
        .permute(3, 0, 1, 2)
        .to(torch.float32, memory_format=torch.contiguous_format)
    )
    planes = jitter(planes.div_(255), factors, sequence)
    return planes.permute(1, 2, 3, 0).reshape(-1, size, 3 * size)
