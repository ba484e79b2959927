"""Images that were opened last, and samples of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.datasets.depth import PLAIN, Opening
from core.errors import DataError
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.errors import View

Size = tuple[int, int]
"""Width and height in pixels."""
_IMAGES_KEPT = 6
_SAMPLE, _SIDE = 48, 64


@dataclass(frozen=True)
class OpenedImage:
    """An image, perhaps with fewer pixels than the `size` of the whole one.

    Without it there is a sentence on why.
    """

    image: Image | None
    size: Size | None
    message: str = ""


class ImageCache:
    """The last images that were opened; threads share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[Size | None, OpenedImage]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, root: Path, path: str, min_size: Size | None = None, how: Opening = PLAIN) -> OpenedImage:
        """The image, with at least so many pixels; None: with all that it has."""
        from core.datasets.pictures import open_picture, open_reduced

        with self._lock:
            kept = self._kept.get((root, path))
        if kept is not None and _has_enough(*kept, min_size):
            return kept[1]
        try:
            if min_size is None:
                image = open_picture(root, path, how)
                opened = OpenedImage(image, image.size)
            else:
                opened = OpenedImage(*open_reduced(root, path, min_size, how))
        except DataError as error:
            if not (root / path.partition("#")[0]).exists():
                where = clean(str(root))
                return OpenedImage(
                    None,
                    None,
                    f"no image (R sets the folder): {clean(path)} is not in {where}",
                )
            return OpenedImage(None, None, str(error))
        with self._lock:
            self._kept[root, path] = min_size, opened
            self._kept.move_to_end((root, path))
            while len(self._kept) > _IMAGES_KEPT:
                self._kept.popitem(last=False)
        return opened


def _has_enough(asked: Size | None, opened: OpenedImage, min_size: Size | None) -> bool:
    whole = opened.image is not None and opened.image.size == opened.size
    if asked is None or whole:
        return True
    return min_size is not None and asked[0] >= min_size[0] and asked[1] >= min_size[1]


def right_and_wrong(view: View, cache: ImageCache, root: Path, seed: int) -> tuple[Any, list[str]]:
    """Random images that were told right and wrong, in turns: pixels (n, h, w, 3) and a title each."""
    import numpy as np

    names = view.errors.classes
    right, wrong = (view.sample(which, _SAMPLE // 2, seed) for which in (True, False))
    cases = [case for pair in zip_longest(wrong, right) for case in pair if case is not None]
    pixels, titles = [], []
    for case in cases:
        image = cache.open(root, case.path, (_SIDE, _SIDE), view.errors.opening).image
        if image is not None:
            pixels.append(np.asarray(image.resize((_SIDE, _SIDE))))
            truth, guess = names[case.truth or 0], names[case.predicted or 0]
            titles.append(f"✓ {truth}" if truth == guess else f"✗ {truth} → {guess}")
    return (np.stack(pixels) if pixels else None), titles
