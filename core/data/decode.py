"""One image file -> uint8 pixels of a fixed square size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import DataError
from core.text import clean

# Raise it when the pixels that a file decodes to change: caches of older versions are then left alone.
DECODE_VERSION = 1


def decode_square(file: Path, size: int) -> NDArray[np.uint8]:
    """RGB pixels (size, size, 3) of the upright image.

    The shorter side is resized to `size` by PIL's bilinear filter, as torchvision's `Resize(size)` does on
    PIL images, and the middle of the longer side is kept, as its `CenterCrop(size)` does. Sixteen-bit greys
    are scaled to eight bits. Raises DataError naming the file.
    """
    try:
        with Image.open(file) as opened:
            image = _eight_bit(ImageOps.exif_transpose(opened)).convert("RGB")
    except FileNotFoundError:
        raise DataError(f"{clean(str(file))} is missing: put it back, or start a new run.") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{clean(str(file))} cannot be read as an image ({clean(str(error)) or type(error).__name__}): "
            "replace it or take it out of the data set."
        ) from error
    width, height = image.size
    short, long = min(width, height), max(width, height)
    if short != size:
        scaled = int(size * long / short)
        width, height = (size, scaled) if width <= height else (scaled, size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width != height:
        left, top = round((width - size) / 2.0), round((height - size) / 2.0)
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image
