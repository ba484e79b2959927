"""Batches of pictures with boxes, made on the device out of resident uint8 pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from core.data.batches import is_single
from core.data.box_epoch_rng import BoxAugmentation, BoxDraws, draw_box_epoch
from core.data.boxes_store import PictureStore, as_planes
from core.data.boxes_targets import Targets, scaled, turned
from core.data.colour import jitter


@dataclass(frozen=True)
class BoxBatch:
    """Pictures (3, height, width), float32, 0..1, one tensor where all have one size, and what is in each.

    A target is {"boxes": (k, 4) float32, "labels": (k,) int64 from 0}, all on the device.
    """

    images: list[Tensor] | Tensor
    targets: list[dict[str, Tensor]]


class BoxBatches:
    """Augmented batches of every epoch; the same for the same (seed, epoch, step), whatever came before."""

    def __init__(
        self,
        store: PictureStore,
        targets: Targets,
        augmentation: BoxAugmentation,
        *,
        batch: int,
        seed: int,
        drop_single: bool = False,
    ) -> None:
        """`drop_single`: a last batch of one image is left out."""
        self.store = store
        self.targets = targets
        self.augmentation = augmentation
        self.batch = batch
        self.seed = seed
        self.images = store.count - (drop_single and is_single(store.count, batch))
        self.steps = -(-self.images // batch)
        # Leaving out what a width of 0 would not change saves the dearest operations.
        widths = augmentation.jitter.widths if augmentation.jitter is not None else ()
        self._colours = frozenset(which for which, width in enumerate(widths) if width)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[BoxBatch]:
        """Batches of `epoch` (from 1) from step `first` (from 0) on."""
        draws = self.draws(epoch)
        for step in range(first, self.steps):
            yield self._batch(draws, step)

    def draws(self, epoch: int) -> BoxDraws:
        """The epoch's random tables."""
        return draw_box_epoch(self.store.count, self.steps, self.augmentation, self.seed, epoch)

    def _batch(self, draws: BoxDraws, step: int) -> BoxBatch:
        places = range(step * self.batch, min((step + 1) * self.batch, self.images))
        pictures = [self._picture(draws, place) for place in places]
        groups: dict[torch.Size, list[int]] = {}
        for number, picture in enumerate(pictures):
            groups.setdefault(picture.shape, []).append(number)
        finished: dict[int, Tensor] = {}
        images: list[Tensor] | Tensor = []
        for group in groups.values():
            stack = self.store.place(torch.stack([pictures[number] for number in group]))
            chosen = torch.tensor([places[number] for number in group])
            images = self._finish(stack, draws, chosen, step)
            finished.update(zip(group, images, strict=True))
        if len(groups) > 1:
            images = [finished[number] for number in range(len(pictures))]
        targets = [
            self._target(draws, place, picture) for place, picture in zip(places, pictures, strict=True)
        ]
        return BoxBatch(images, targets)

    def _picture(self, draws: BoxDraws, place: int) -> Tensor:
        """The picture at a place of the epoch's order, at its random size: (height, width, 3), uint8."""
        picture = self.store.picture(int(draws.order[place]))
        if draws.scale is None:
            return picture
        factor = float(draws.scale[place])
        size = [max(1, round(side * factor)) for side in picture.shape[:2]]
        return resized(picture, size[0], size[1])

    def _finish(self, stack: Tensor, draws: BoxDraws, places: Tensor, step: int) -> Tensor:
        """Pictures of one size (k, height, width, 3), mirrored and coloured: (k, 3, height, width)."""
        for coins, axis in ((draws.across, 2), (draws.over, 1)):
            chosen = torch.nonzero(coins[places])[:, 0].to(stack.device)
            if len(chosen):
                stack[chosen] = stack[chosen].flip(axis)
        planes = as_planes(stack)
        if draws.factors is not None and draws.sequence is not None:
            factors = self.store.place(draws.factors[places])
            sequence = [which for which in draws.sequence[step].tolist() if which in self._colours]
            jitter(planes, factors, sequence)
        return planes.transpose(0, 1)

    def _target(self, draws: BoxDraws, place: int, picture: Tensor) -> dict[str, Tensor]:
        index = int(draws.order[place])
        boxes, labels = self.targets.of(index)
        height, width = picture.shape[:2]
        stored_width, stored_height = self.store.sizes[index]
        if (width, height) != (stored_width, stored_height):
            boxes, labels = scaled(boxes, labels, width / stored_width, height / stored_height)
        across, over = bool(draws.across[place]), bool(draws.over[place])
        boxes = turned(boxes, width, height, across=across, over=over)
        return {"boxes": self.store.place(boxes), "labels": self.store.place(labels)}


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture (h, w, 3), uint8, brought to a size by the bilinear filter with antialiasing."""
    planes = picture.permute(2, 0, 1)[None]
    if picture.device.type != "cpu":
        # Only CPUs have the filter for bytes.
        planes = planes.float()
    size = (height, width)
    out = functional.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
    if out.dtype != torch.uint8:
        out = out.round_().clamp_(0, 255).to(torch.uint8)
    return out[0].permute(1, 2, 0)
