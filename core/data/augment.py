"""What is done to training images at random, as settings."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import DataError


@dataclass(frozen=True)
class Jitter:
    """Half widths of the ranges that colour factors are drawn from: 1 ± width, hue 0 ± width turns."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    @property
    def widths(self) -> tuple[float, float, float, float]:
        return (self.brightness, self.contrast, self.saturation, self.hue)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images; `size` is the side in pixels that the network sees.

    As torchvision's Resize(scale), RandomCrop(size, padding=pad), RandomHorizontalFlip, ColorJitter in this
    order. Padding is black before normalisation. `scale` is None when images are stored at `size`.
    """

    size: int
    scale: int | None = None
    pad: int = 0
    flip: bool = False
    jitter: Jitter | None = None

    def __post_init__(self) -> None:
        if self.stored_size < self.size:
            raise DataError(f"augment.scale {self.scale} is less than image_size {self.size}: raise it.")
        if self.pad > self.stored_size:
            raise DataError(
                f"augment.pad_crop {self.pad} is more than the images' {self.stored_size} pixels: lower it."
            )

    @property
    def stored_size(self) -> int:
        """Side of the square images in the cache."""
        return self.scale or self.size

    def offsets(self, stored_size: int) -> tuple[int, int]:
        """First and last place of the crop from the stored image's edge; below 0 it reaches into padding."""
        return -self.pad, stored_size + self.pad - self.size
