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

    `levels`: the values that become black and white in pictures of whole numbers of sixteen or more bits;
    None: all sixteen bits. `decimals`: the same for pictures of decimal values; None: 0 and 255. Pictures
    of more than `max_megapixels` are none.
    """

    levels: Levels | None = None
    max_megapixels: float = MAX_MEGAPIXELS
    decimals: Levels | None = None

    def is_too_large(self, size: tuple[int, int]) -> bool:
        """Whether a picture of that width and height is none that is opened."""
        return size[0] * size[1] > self.max_megapixels * 1e6

    def as_stored(self) -> dict[str, Any]:
        """The fields as plain JSON values; `from_stored` gives them back."""
        return {
            "levels": None if self.levels is None else list(self.levels),
            "max_megapixels": self.max_megapixels,
            "decimals": None if self.decimals is None else list(self.decimals),
        }


PLAIN = Opening()


def as_numbers(how: Opening) -> tuple[float, ...]:
    """`how` in five numbers, NaN for levels that it has not; `from_numbers` gives it back."""
    none = (math.nan, math.nan)
    return (*(how.levels or none), how.max_megapixels, *(how.decimals or none))


def from_numbers(numbers: Sequence[float]) -> Opening:
    """The `Opening` in five numbers; without the last two it has no `decimals`. Raises ValueError."""
    low, high, largest, least, most = (float(number) for number in [*numbers, math.nan, math.nan][:5])
    return Opening(_pair(low, high), largest, _pair(least, most))


def _pair(low: float, high: float) -> Levels | None:
    return None if math.isnan(low) else (low, high)


def from_stored(stored: Any) -> Opening:
    """The `Opening` in stored JSON values, `PLAIN` for none. Raises KeyError, TypeError, ValueError."""
    if stored is None:
        return PLAIN
    levels, decimals = (
        None if pair is None else (float(pair[0]), float(pair[1]))
        for pair in (stored["levels"], stored.get("decimals"))
    )
    return Opening(levels, float(stored["max_megapixels"]), decimals)


def is_deep(mode: str) -> bool:
    """Whether pictures of a mode of Pillow have more than eight bits in a channel."""
    return mode.startswith("I") or mode == "F"


def eight_bit(image: Image, how: Opening) -> Image:
    """A grey picture of a deep mode, decoded, with its values brought to 0 to 255 as `how` says.

    A value that its file calls transparent is white; what is no number is black.
    """
    import numpy as np
    from PIL import Image as images

    values = np.asarray(image)
    levels = how.decimals if image.mode == "F" else how.levels
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
    ranges: dict[bool, list[Levels]] = {False: [], True: []}
    for path in spread(deep):
        measured = _range_of(os.path.join(root, path), limit)
        if measured is not None:
            ranges[measured[0] == "F"].append(measured[1])
    whole, decimal = (_levels(ranges[is_decimal]) for is_decimal in (False, True))
    return Opening(None if whole == _WHOLE else whole, max_megapixels, decimal)


def depth_words(deep: Sequence[str], opening: Opening) -> str:
    """The sentence on pictures with more than eight bits."""
    verb = "has" if len(deep) == 1 else "have"
    pairs = [opening.levels, opening.decimals] if opening.decimals else [opening.levels or _WHOLE]
    parts = [f"{pair[0]:g} to {pair[1]:g}" for pair in pairs if pair is not None]
    text = f"{count(len(deep), 'image')} {verb} more than 8 bits a pixel: values from {' and '.join(parts)}"
    return f"{text} are scaled to 0 to 255"


def spread(paths: Sequence[str]) -> Sequence[str]:
    """Some of `paths` from all over the list, at most 128."""
    return paths[:: max(1, -(-len(paths) // _LOOKED_AT))]


def _range_of(path: str, limit: Opening) -> tuple[str, Levels] | None:
    """The mode of a picture, and its lowest and highest number; None where it has none."""
    import numpy as np

    from core.datasets.opening import opened

    try:
        with opened(path, limit) as (image, _):
            image.load()
            mode = image.mode
            values: NDArray[np.floating[Any]] = np.asarray(image, np.float64)
    except DataError:
        return None
    values = values[np.isfinite(values)]
    return (mode, (float(values.min()), float(values.max()))) if values.size else None


def _levels(ranges: Sequence[Levels]) -> Levels | None:
    """From 0, or the lowest value below it, to the end of the scale that the highest seems to be measured on.

    That is 1, or the largest number of 8 to 16 bits, where the highest is in its upper half; else it itself.
    """
    if not ranges:
        return None
    least, most = min(low for low, _ in ranges), max(high for _, high in ranges)
    low = min(least, 0.0)
    top = next((top for top in _TOPS if top / 2 < most <= top), most)
    return (low, top) if top > low else (low, low + 1.0)
