"""What is done to training images at random, and how images are looked at when measured, as settings."""

from __future__ import annotations

from collections.abc import Sequence
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
    order. Padding is black before normalisation. `scale` is None when images are stored at `size`. A pair
    (Smin, Smax) stands for RandomResizedCrop(size, scale=(size²/Smax², size²/Smin²), ratio=(1, 1)) on the
    image as it is, in place of Resize and RandomCrop: of a square image size/S of its side is cut out. Images
    that are no squares are taken whole, up to `core.data.decode.LONGEST` times their shorter side. Without
    scale and pad nothing is cut out at random: the network sees the square in the middle.
    """

    size: int
    scale: int | tuple[int, int] | None = None
    pad: int = 0
    flip: bool = False
    jitter: Jitter | None = None

    def __post_init__(self) -> None:
        low = self.scale[0] if isinstance(self.scale, tuple) else self.scale or self.size
        if low < self.size:
            raise DataError(f"augment.scale {low} is less than image_size {self.size}: raise it.")
        if self.sides and self.pad:
            raise DataError("augment.scale and augment.pad_crop cannot be combined: remove one.")
        if self.pad > low:
            raise DataError(f"augment.pad_crop {self.pad} is more than the images' {low} pixels: lower it.")

    @property
    def cuts(self) -> bool:
        """Whether something is cut out at random, so that the whole image is needed."""
        return self.scale is not None or self.pad > 0

    @property
    def sides(self) -> tuple[int, int] | None:
        """Smin and Smax of multi-scale cropping, else None."""
        return self.scale if isinstance(self.scale, tuple) else None

    def stored_side(self, native: int) -> int:
        """Shorter side of the training images in the cache; `native` is their shorter side in the files.

        For multi-scale cropping it is the native side within `size` and Smax: beyond Smax every crop would
        only be made smaller again.
        """
        if self.sides is not None:
            return min(max(native, self.size), self.sides[1])
        return self.scale if isinstance(self.scale, int) else self.size

    def offsets(self, stored: int) -> tuple[int, int]:
        """First and last place of a fixed-size crop from the edge; below 0 it reaches into the padding."""
        return -self.pad, stored + self.pad - self.size

    @property
    def measured_side(self) -> int:
        """Side that images are resized to for measuring: `scale`, or halfway between Smin and Smax."""
        if self.sides is not None:
            return (sum(self.sides) + 1) // 2
        return self.stored_side(self.size)


@dataclass(frozen=True)
class View:
    """One way of looking at an image when measuring: resized to `side`, centre cut out, perhaps mirrored."""

    side: int
    flip: bool = False


def make_views(side: int, tta: Sequence[str | int]) -> tuple[View, ...]:
    """Views of test-time augmentation: sides in `tta` (else `side`), each plain and, with hflip, mirrored.

    Empty when `tta` is empty.
    """
    sides = [view for view in tta if isinstance(view, int)] or [side]
    flips = (False, True) if "hflip" in tta else (False,)
    return tuple(View(chosen, flip) for chosen in sides for flip in flips) if tta else ()
