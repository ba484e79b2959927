"""Batches made on the device out of resident uint8 pixels, without touching single images from Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.augment import Augmentation
from core.data.colour import jitter
from core.data.epoch_rng import EpochDraws, draw_epoch, side_range
from core.data.resample import Resampler
from core.data.store import ImageStore

_AHEAD_IMAGES = 256
_AHEAD_BYTES = 2**20


@dataclass(frozen=True)
class Batch:
    """Normalised images (n, 3, size, size), float32, channels_last, and labels (n,), int64."""

    images: Tensor
    labels: Tensor


def is_single(images: int, batch: int) -> bool:
    """Whether the last of several batches has one image."""
    return batch > 1 and images > 1 and images % batch == 1


class TrainBatches:
    """Augmented batches of every epoch; the same for the same (seed, epoch, step), whatever came before."""

    def __init__(
        self, store: ImageStore, augmentation: Augmentation, *, batch: int, seed: int, drop_single: bool
    ) -> None:
        self.store = store
        self.augmentation = augmentation
        self.batch = batch
        self.seed = seed
        left_out = drop_single and is_single(store.count, batch)
        self.images = store.count - left_out
        self.steps = -(-self.images // batch)
        self.left_out = int(left_out)
        # Cropping several batches at once costs less than one at a time: their pixels are few bytes.
        self._ahead = max(1, min(_AHEAD_IMAGES, _AHEAD_BYTES // (3 * store.size**2)) // batch)
        self._resampler: Resampler | None = None
        if augmentation.sides is not None:
            sides = side_range(store.stored, augmentation, shapes=store.shapes is not None)
            self._resampler = Resampler(store.size, store.stored, *sides, store.device)
        elif store.shapes is None:
            self._low, high = augmentation.offsets(store.stored)
            columns = torch.arange(self._low, high + 1)[:, None] + torch.arange(store.size)
            inside = ((columns >= 0) & (columns < store.stored)).to(torch.uint8)
            self._inside = inside.repeat_interleave(3, dim=1).to(store.home)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Batches of `epoch` (from 1) from step `first` (from 0) on."""
        draws = self.draws(epoch)
        # Steps are always taken in the same groups, so that a resume computes the very same numbers.
        for start in range(first - first % self._ahead, self.steps, self._ahead):
            steps = range(start, min(start + self._ahead, self.steps))
            crops, labels = self._crops(draws, steps)
            for step in range(max(start, first), steps.stop):
                part = slice((step - start) * self.batch, (step - start + 1) * self.batch)
                yield Batch(self._finish(crops[part], draws, step), labels[part])

    def draws(self, epoch: int) -> EpochDraws:
        """The epoch's random tables, moved to where the pixels are."""
        store = self.store
        drawn = draw_epoch(
            store.count, self.steps, store.stored, self.augmentation, self.seed, epoch, store.shapes
        )
        return drawn.to(store.home)

    def _crops(self, draws: EpochDraws, steps: range) -> tuple[Tensor, Tensor]:
        """What several steps are made of, and their labels.

        Crops (n, size, 3 * size), uint8, or planes (n, 3, size, size), float32 in 0..255, where sides differ.
        """
        store, size = self.store, self.store.size
        part = slice(steps.start * self.batch, min(steps.stop * self.batch, self.images))
        index, top, left, flip = draws.order[part], draws.top[part], draws.left[part], draws.flip[part]
        labels = store.place(store.labels.index_select(0, index))
        if self._resampler is not None and draws.side is not None:
            if store.shapes is None:
                images = store.whole(index)
            else:
                images, top, left = store.around(index, top, left)
            images = store.place(images).float()
            tables = (store.place(table) for table in (top, left, draws.side[part], flip))
            return self._resampler.resize(images, *tables), labels
        crops = store.crop(index, top, left)
        if self.augmentation.pad and store.shapes is None:
            crops.mul_(self._inside.index_select(0, left - self._low)[:, None, :])
        elif self.augmentation.pad:
            crops.mul_(store.beside(index, left)[:, None, :])
        if self.augmentation.flip:
            crops = _flip(crops.view(-1, size, size, 3), flip).view(-1, size, 3 * size)
        return crops, labels

    def _finish(self, crops: Tensor, draws: EpochDraws, step: int) -> Tensor:
        """Normalised images of one step, their colours changed when that is asked for."""
        store, size = self.store, self.store.size
        if draws.factors is None or draws.sequence is None:
            return store.normalise(crops if crops.dim() == 3 else _rows(crops))
        if crops.dim() == 3:
            planes = store.place(crops).view(-1, size, size, 3).permute(0, 3, 1, 2)
        else:
            planes = crops
        start = step * self.batch
        factors = store.place(draws.factors[start : start + len(crops)])
        return store.normalise_unit(_rows(_jittered(planes, factors, draws.sequence[step].tolist())))


def eval_batch(store: ImageStore, start: int, batch: int, *, flip: bool = False) -> Batch:
    """The centres of up to `batch` images from `start` on, mirrored when `flip`."""
    offset, size = round((store.stored - store.size) / 2.0), store.size
    index = torch.arange(start, min(start + batch, store.count), device=store.home)
    place = torch.full_like(index, offset)
    crops = store.crop(index, place, place)
    if flip:
        crops = crops.view(-1, size, size, 3).flip(2).view(-1, size, 3 * size)
    return Batch(store.normalise(crops), store.place(store.labels[start : start + batch]))


def _flip(images: Tensor, flip: Tensor) -> Tensor:
    """Mirror the images (n, h, w, 3) whose `flip` is 1: copying whole images beats `where` on bytes."""
    count = images.shape[0]
    both = torch.cat((images, images.flip(2)))
    return both.index_select(0, torch.arange(count, device=flip.device) + count * flip)


def _rows(planes: Tensor) -> Tensor:
    """Planes (n, 3, size, size) -> rows of pixels (n, size, 3 * size)."""
    count, _, size, _ = planes.shape
    return planes.permute(0, 2, 3, 1).reshape(count, size, 3 * size)


def _jittered(images: Tensor, factors: Tensor, sequence: Sequence[int]) -> Tensor:
    """Planes (n, 3, size, size) in 0..255 -> the same in 0..1, float32, with their colours changed."""
    planes = images.permute(1, 0, 2, 3).to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    return jitter(planes.div_(255), factors, sequence).permute(1, 0, 2, 3)
