"""All images of a split where batches are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """Channel mean and standard deviation of pixels in 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ImageStore:
    """All images of a split: pixels (count + 2, stored, stored, 3), uint8, first and last black; labels.

    With `shapes` (count, 2), widths and heights, images are of many shapes, each with `stored` pixels as its
    shorter side: `pixels` is then flat, as `core.data.decode.Whole` has them. All of it stays where `pixels`
    is (`home`); batches come out on `device`, as images of `size` pixels.
    """

    def __init__(
        self,
        pixels: Tensor,
        labels: Tensor,
        *,
        size: int,
        normalisation: Normalisation,
        device: torch.device,
        shapes: Tensor | None = None,
    ) -> None:
        self.count = len(labels)
        self.stored = pixels.shape[1] if shapes is None else int(shapes.min())
        self.shapes = shapes
        self.size = size
        self.device = device
        self.home = pixels.device
        self.labels = labels.to(pixels.device)
        self.normalisation = normalisation
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        # One row of pixels at a time: a run of 3 * size numbers is fast, a run of 3 is not.
        self._scale = (1 / (255 * std)).float().repeat(size).to(device)
        self._unit_scale = (1 / std).float().repeat(size).to(device)
        self._shift = (-mean / std).float().repeat(size).to(device)
        flat = pixels.reshape(-1)
        self._rows = _runs(flat, size)
        self._line = torch.arange(size, device=pixels.device)
        if shapes is None:
            self._images = pixels.view(len(pixels), self.stored, 3 * self.stored)
        else:
            self.widths, self.heights = shapes.to(pixels.device, torch.int64).unbind(1)
            area = self.widths * self.heights
            self._first = self.stored**2 + area.cumsum(0) - area
            self._wide_rows = _runs(flat, self.stored)
            self._wide_line = torch.arange(self.stored, device=pixels.device)

    def whole(self, index: Tensor) -> Tensor:
        """Images `index` (n,) as they are stored: (n, stored, 3 * stored), uint8. Not for many shapes."""
        return self._images.index_select(0, index + 1)

    def around(self, index: Tensor, top: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A square of images of many shapes (n, stored, 3 * stored), uint8, from `top`, `left` (n,) on.

        Where it would not fit into the image it is moved back: also returned is where in it the place is.
        """
        high = torch.minimum(top, self.heights.index_select(0, index) - self.stored)
        far = torch.minimum(left, self.widths.index_select(0, index) - self.stored)
        start = self._place(index, high[:, None] + self._wide_line, far)
        rows = self._wide_rows.index_select(0, start.view(-1))
        return rows.view(-1, self.stored, 3 * self.stored), top - high, left - far

    def crop(self, index: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Crops (n, size, 3 * size), uint8, of images `index` (n,) at `top`, `left` (n,).

        Above and below an image is black; beside it are other pixels, for the caller to blacken.
        """
        row = top[:, None] + self._line
        if self.shapes is None:
            start = ((index + 1) * self.stored)[:, None] + row
            start = torch.where((row >= 0) & (row < self.stored), start * self.stored + left[:, None], 0)
        else:
            inside = (row >= 0) & (row < self.heights.index_select(0, index)[:, None])
            start = torch.where(inside, self._place(index, row, left), 0)
        crops = self._rows.index_select(0, start.view(-1))
        return crops.view(-1, self.size, 3 * self.size)

    def beside(self, index: Tensor, left: Tensor) -> Tensor:
        """Which pixels of crops at `left` (n,) lie in images of many shapes: (n, 3 * size), uint8, 0 or 1."""
        column = left[:, None] + self._line
        inside = (column >= 0) & (column < self.widths.index_select(0, index)[:, None])
        return inside.to(torch.uint8).repeat_interleave(3, dim=1)

    def _place(self, index: Tensor, row: Tensor, left: Tensor) -> Tensor:
        """Where the pixel at `row` (n, k), `left` (n,) of images of many shapes lies among all: (n, k)."""
        width = self.widths.index_select(0, index)[:, None]
        return self._first.index_select(0, index)[:, None] + row * width + left[:, None]

    def place(self, table: Tensor) -> Tensor:
        """`table` from where the pixels are to where the model is, without waiting for the copy."""
        if self.device.type == "cuda" and table.device.type == "cpu":
            return table.pin_memory().to(self.device, non_blocking=True)
        return table.to(self.device)

    def normalise(self, crops: Tensor) -> Tensor:
        """Crops (n, size, 3 * size) in 0..255 -> images (n, 3, size, size), float32, channels_last."""
        return self._as_images(torch.addcmul(self._shift, self.place(crops).float(), self._scale))

    def normalise_unit(self, crops: Tensor) -> Tensor:
        """The same for float32 crops in 0..1."""
        return self._as_images(torch.addcmul(self._shift, self.place(crops), self._unit_scale))

    def denormalise(self, images: Tensor) -> Tensor:
        """Images (n, 3, size, size) as the network sees them -> pixels (n, size, size, 3), uint8."""
        rows = images.permute(0, 2, 3, 1).reshape(-1, self.size, 3 * self.size)
        pixels = (rows - self._shift).div_(self._scale).round_().clamp_(0, 255)
        return pixels.to(torch.uint8).view(-1, self.size, self.size, 3)

    def _as_images(self, rows: Tensor) -> Tensor:
        return rows.view(-1, self.size, self.size, 3).permute(0, 3, 1, 2)


def _runs(flat: Tensor, length: int) -> Tensor:
    """All runs of `length` pixels in `flat` (bytes,), overlapping: (pixels - length + 1, 3 * length)."""
    return flat.as_strided((flat.shape[0] // 3 - length + 1, 3 * length), (3, 1))
