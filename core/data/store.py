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

    Both stay where `pixels` is (`home`); batches come out on `device`, as images of `size` pixels.
    """

    def __init__(
        self, pixels: Tensor, labels: Tensor, *, size: int, normalisation: Normalisation, device: torch.device
    ) -> None:
        self.count = pixels.shape[0] - 2
        self.stored = pixels.shape[1]
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
        self._images = pixels.view(len(pixels), self.stored, 3 * self.stored)
        starts = pixels.shape[0] * self.stored * self.stored - size + 1
        self._rows = pixels.reshape(-1).as_strided((starts, 3 * size), (3, 1))
        self._line = torch.arange(size, device=pixels.device)

    def whole(self, index: Tensor) -> Tensor:
        """Images `index` (n,) as they are stored: (n, stored, 3 * stored), uint8."""
        return self._images.index_select(0, index + 1)

    def crop(self, index: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Crops (n, size, 3 * size), uint8, of images `index` (n,) at `top`, `left` (n,).

        Above and below an image is black; beside it are other pixels, for the caller to blacken.
        """
        row = top[:, None] + self._line
        start = ((index + 1) * self.stored)[:, None] + row
        start = torch.where((row >= 0) & (row < self.stored), start * self.stored + left[:, None], 0)
        crops = self._rows.index_select(0, start.view(-1))
        return crops.view(-1, self.size, 3 * self.size)

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
