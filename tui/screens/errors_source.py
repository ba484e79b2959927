"""Which predictions of a run can be browsed, and what a thread reads of them."""

from __future__ import annotations

import io
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DataError
from core.store.checkpoints import CHECKPOINT_ID
from core.store.paths import RunPaths
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.cases import Case
    from core.analysis.errors import View
    from core.store.records import RunSummary

_IMAGES_KEPT = 6
_SAMPLE, _SIDE = 48, 64
_PICTURES = 10000


@dataclass(frozen=True)
class Source:
    """A predictions file; `key` is empty for the run's own settings."""

    file: Path
    checkpoint: str
    split: str
    key: str = ""

    @property
    def epoch(self) -> int:
        match = CHECKPOINT_ID.fullmatch(self.checkpoint)
        return int(match[2]) if match else 0

    @property
    def name(self) -> str:
        """`a01-e0038 val`."""
        return f"{self.checkpoint} {self.split}{f' {self.key}' if self.key else ''}"


@dataclass(frozen=True)
class Thresholds:
    """What the screen follows; `score` is not below what was stored, `nms` None: as predicted."""

    score: float
    iou: float = 0.5
    nms: float | None = None


def sources(run: RunPaths) -> list[Source]:
    """What was kept of images with annotations, newest epoch first; never raises."""
    from core.analysis.sources import NEW, prediction_sets

    found = [
        Source(item.file, item.checkpoint, item.split, item.key)
        for item in prediction_sets(run)
        if item.split != NEW
    ]
    return sorted(found, key=lambda item: (-item.epoch, item.split != "val", item.split, item.key))


def chosen(found: list[Source], run: RunSummary, checkpoint: str = "") -> Source | None:
    """The predictions to begin with: of `checkpoint`, else of the run's best, else the newest; val first."""
    own = [item for item in found if not item.key] or found
    if checkpoint:
        return next((item for item in own if item.checkpoint == checkpoint), None)
    best = run.best
    if best is not None:
        at_best = [item for item in own if item.checkpoint == best.checkpoint or item.epoch == best.epoch]
        at_best.sort(key=lambda item: (item.checkpoint != best.checkpoint, item.split != "val"))
        if at_best:
            return at_best[0]
    return own[0] if own else None


class Pictures:
    """The last pictures that were opened. Used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], Image] = OrderedDict()

    def open(self, root: Path, path: str) -> tuple[Image | None, str]:
        """The picture, or None and a sentence on why there is none."""
        from core.datasets.pictures import open_picture

        found = self._kept.get((root, path))
        if found is None:
            try:
                found = open_picture(root, path)
            except DataError as error:
                if not (root / path.partition("#")[0]).exists():
                    where = clean(str(root))
                    return None, f"no image (R says where they are): {clean(path)} is not in {where}"
                return None, str(error)
            self._kept[root, path] = found
            while len(self._kept) > _IMAGES_KEPT:
                self._kept.popitem(last=False)
        return found, ""


def right_and_wrong(view: View, pictures: Pictures, root: Path, seed: int) -> tuple[Any, list[str]]:
    """Random pictures that were told right and wrong, in turns: pixels (n, h, w, 3) and a title each."""
    import numpy as np

    names = view.errors.classes
    right, wrong = (view.sample(which, _SAMPLE // 2, seed) for which in (True, False))
    cases = [case for pair in zip_longest(wrong, right) for case in pair if case is not None]
    pixels, titles = [], []
    for case in cases:
        image, _ = pictures.open(root, case.path)
        if image is not None:
            pixels.append(np.asarray(image.resize((_SIDE, _SIDE))))
            truth, guess = names[case.truth or 0], names[case.predicted or 0]
            titles.append(f"✓ {truth}" if truth == guess else f"✗ {truth} → {guess}")
    return (np.stack(pixels) if pixels else None), titles


def save_picture(
    view: View, case: Case | None, folder: Path, name: str, root: Path | None, *, only: bool = False
) -> Path:
    """Write a case with its boxes, or the matrix, as a new PNG file in `folder`; returns where.

    Raises DataError when it cannot be written.
    """
    from core.analysis.drawing import draw_case, draw_matrix

    if case is None:
        title = f"score {view.score:g}, IoU {view.iou:g}"
        image, what = draw_matrix(view.matrix, view.errors.classes, title), "matrix"
    else:
        image, what = draw_case(view, case, root, only=only), f"case-{case.image:05d}-{case.kind}"
    data = io.BytesIO()
    image.save(data, "PNG")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, _PICTURES):
            file = folder / f"{name}-{what}-{number}.png"
            with suppress(FileExistsError), open(file, "xb") as target:
                target.write(data.getvalue())
                return file
    except OSError as error:
        raise DataError(f"{clean(str(folder))}: {error.strerror}") from None
    raise DataError(f"{clean(str(folder))} is full of pictures of this: move some away.")
