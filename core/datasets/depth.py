"""Pictures deeper than eight bits: which of their values become black and white, one choice for a set."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.datasets.findings import count
from core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Levels = tuple[float, float]
MAX_MEGAPIXELS = 179.0
"""What Pillow opens: more is the size of pictures made to fill the memory."""
_LOOKED_AT = 128
_TOPS = (1.0, *(float((1 << bits) - 1) for bits in range(8, 17)))
_WHOLE = (0.0, 65535.0)


@dataclass(frozen=True)
class Opening:
    """How the pictures of a set are opened, beside what each file says; stored with a run.

    `levels`: the values that become black and white in pictures of sixteen or more bits or of decimal values;
    None: all sixteen bits, and 0 to 255 of decimal values. Larger pictures than `max_megapixels` are no
    pictures.
    """

    levels: Levels | None = None
    max_megapixels: float = MAX_MEGAPIXELS

    def is_too_large(self, size: tuple[int, int]) -> bool:
        """Whether a picture of that width and height is none that is opened."""
        return size[0] * size[1] > self.max_megapixels * 1e6

    def as_stored(self) -> dict[str, Any]:
        """The fields as plain JSON values; `from_stored` gives them back."""
        levels = None if self.levels is None else list(self.levels)
        return {"levels": levels, "max_megapixels": self.max_megapixels}


PLAIN = Opening()


def as_numbers(how: Opening) -> tuple[float, float, float]:
    """`how` in three numbers, NaN for levels that it has not; `from_numbers` gives it back."""
    low, high = (math.nan, math.nan) if how.levels is None else how.levels
    return low, high, how.max_megapixels


def from_numbers(numbers: Sequence[float]) -> Opening:
    """The `Opening` in three numbers. Raises ValueError."""
    low, high, largest = (float(number) for number in numbers)
    return Opening(None if math.isnan(low) else (low, high), largest)


def from_stored(stored: Any) -> Opening:
    """The `Opening` in stored JSON values, `PLAIN` for none. Raises KeyError, TypeError, ValueError."""
    if stored is None:
        return PLAIN
    levels = stored["levels"]
    pair = None if levels is None else (float(levels[0]), float(levels[1]))
    return Opening(pair, float(stored["max_megapixels"]))


def is_deep(mode: str) -> bool:
    """Whether pictures of a mode of Pillow have more than eight bits in a channel."""
    return mode.startswith("I") or mode == "F"


def eight_bit(image: Image, levels: Levels | None) -> Image:
    """A grey picture of a deep mode, decoded, with its values between `levels` brought to 0 to 255.

    A value that its file calls transparent is white; what is no number is black.
    """
    import numpy as np
    from PIL import Image as images

    values = np.asarray(image)
    if levels is not None:
        low, high = levels
        exact = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
        grey = np.rint(((exact - low) * (255 / (high - low))).clip(0, 255)).astype(np.uint8)
    elif image.mode == "F":
        grey = np.nan_to_num(values).clip(0, 255).astype(np.uint8)
    else:
        grey = (values.astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return images.fromarray(grey)


def opening_of(root: Path, deep: Sequence[str], max_megapixels: float) -> Opening:
    """How a set is opened whose pictures `deep`, paths below `root`, have more than eight bits.

    Their values are read of at most 128 of them, spread over the list.
    """
    limit = Opening(None, max_megapixels)
    ranges = [_range_of(os.path.join(root, path), limit) for path in _spread(deep)]
    known = [pair for pair in ranges if pair is not None]
    if not known:
        return limit
    return Opening(_levels(min(low for low, _ in known), max(high for _, high in known)), max_megapixels)


def depth_words(deep: Sequence[str], opening: Opening) -> str:
    """The sentence on pictures with more than eight bits."""
    low, high = opening.levels or _WHOLE
    verb = "has" if len(deep) == 1 else "have"
    text = f"{count(len(deep), 'image')} {verb} more than 8 bits a pixel: values from {low:g} to {high:g}"
    return f"{text} are scaled to 0 to 255"


def _spread(paths: Sequence[str]) -> Sequence[str]:
    return paths[:: max(1, -(-len(paths) // _LOOKED_AT))]


def _range_of(path: str, limit: Opening) -> Levels | None:
    import numpy as np

    from core.datasets.opening import opened

    try:
        with opened(path, limit) as (image, _):
            image.load()
            values: NDArray[np.floating[Any]] = np.asarray(image, np.float64)
    except DataError:
        return None
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


def _levels(least: float, most: float) -> Levels | None:
    """From 0, or the lowest value below it, to the end of the range that `most` seems to be measured in.

    That is 1, or the largest number of 8 to 16 bits, where `most` is in its upper half; else `most` itself.
    """
    low = min(least, 0.0)
    top = next((top for top in _TOPS if top / 2 < most <= top), most)
    if top <= low:
        return (low, low + 1.0)
    return None if (low, top) == _WHOLE else (low, top)
