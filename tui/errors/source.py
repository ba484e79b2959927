"""Which predictions of a run can be browsed, and what a thread reads of them."""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import humanise
from core.analysis.sources import NEW, prediction_sets
from core.errors import DataError
from core.store.checkpoints import CHECKPOINT_ID
from core.store.files import peek_json
from core.store.paths import RunPaths
from core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.errors import View
    from core.store.records import RunSummary
    from tui.errors.overlay import Sight

_IMAGES_KEPT = 6
_SAMPLE, _SIDE = 48, 64
_PICTURES = 10000
_GAP = 8


@dataclass(frozen=True)
class Source:
    """A predictions file; `key` is empty for the run's own settings, `note` is a word about it."""

    file: Path
    checkpoint: str
    split: str
    key: str = ""
    note: str = ""

    @property
    def is_new(self) -> bool:
        """Of new images, without ground truth."""
        return self.split == NEW

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
    """What was kept: of images with annotations the newest epoch first, then new images; never raises."""
    found = [
        Source(
            item.file,
            item.checkpoint,
            item.split,
            item.key,
            _about_new(item.file) if item.split == NEW else "",
        )
        for item in prediction_sets(run)
    ]
    return sorted(
        found,
        key=lambda item: (
            item.is_new,
            -_number(item.key) if item.is_new else 0,
            -item.epoch,
            item.split != "val",
            item.split,
            item.key,
        ),
    )


def _number(key: str) -> int:
    return int(key) if key.isdecimal() else 0


def _about_new(file: Path) -> str:
    """`3 images, 2 h ago`."""
    document = peek_json(file.with_suffix(".json")) or {}
    images = document.get("images")
    words = []
    if isinstance(images, list):
        words.append(f"{humanise.count(len(images))} image{'s' * (len(images) != 1)}")
    with suppress(OSError):
        age = humanise.age(time.time() - file.stat().st_mtime)
        words.append(age if age == "now" else f"{age} ago")
    return ", ".join(words)


def chosen(found: list[Source], run: RunSummary, checkpoint: str = "") -> Source | None:
    """The predictions to begin with: of `checkpoint`, else of the run's best, else the newest; val first.

    Those of new images only where there are no others.
    """
    known = [item for item in found if not item.is_new] or found
    own = [item for item in known if not item.key] or known
    if checkpoint:
        return next((item for item in own if item.checkpoint == checkpoint), None)
    best = run.best
    if best is not None:
        at_best = [item for item in own if item.checkpoint == best.id]
        at_best.sort(key=lambda item: item.split != "val")
        if at_best:
            return at_best[0]
    return own[0] if own else None


@dataclass(frozen=True)
class Opened:
    """A picture, perhaps with fewer pixels than the `size` (width, height) of the whole one.

    Without it there is a sentence on why.
    """

    image: Image | None
    size: tuple[int, int] | None
    message: str = ""


class Pictures:
    """The last pictures that were opened; threads share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[tuple[int, int] | None, Opened]] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, root: Path, path: str, least: tuple[int, int] | None = None) -> Opened:
        """The picture, with at least so many pixels (width, height); None: with all that it has."""
        from core.datasets.pictures import open_picture, open_reduced

        with self._lock:
            kept = self._kept.get((root, path))
        if kept is not None and _has_enough(*kept, least):
            return kept[1]
        try:
            if least is None:
                image = open_picture(root, path)
                found = Opened(image, image.size)
            else:
                found = Opened(*open_reduced(root, path, least))
        except DataError as error:
            if not (root / path.partition("#")[0]).exists():
                where = clean(str(root))
                return Opened(
                    None, None, f"no image (R says where they are): {clean(path)} is not in {where}"
                )
            return Opened(None, None, str(error))
        with self._lock:
            self._kept[root, path] = least, found
            self._kept.move_to_end((root, path))
            while len(self._kept) > _IMAGES_KEPT:
                self._kept.popitem(last=False)
        return found


def _has_enough(had: tuple[int, int] | None, opened: Opened, least: tuple[int, int] | None) -> bool:
    whole = opened.image is not None and opened.image.size == opened.size
    return had is None or whole or (least is not None and had[0] >= least[0] and had[1] >= least[1])


def right_and_wrong(view: View, pictures: Pictures, root: Path, seed: int) -> tuple[Any, list[str]]:
    """Random pictures that were told right and wrong, in turns: pixels (n, h, w, 3) and a title each."""
    import numpy as np

    names = view.errors.classes
    right, wrong = (view.sample(which, _SAMPLE // 2, seed) for which in (True, False))
    cases = [case for pair in zip_longest(wrong, right) for case in pair if case is not None]
    pixels, titles = [], []
    for case in cases:
        image = pictures.open(root, case.path, (_SIDE, _SIDE)).image
        if image is not None:
            pixels.append(np.asarray(image.resize((_SIDE, _SIDE))))
            truth, guess = names[case.truth or 0], names[case.predicted or 0]
            titles.append(f"✓ {truth}" if truth == guess else f"✗ {truth} → {guess}")
    return (np.stack(pixels) if pixels else None), titles


def drawn(view: View, sight: Sight, other: View | None, root: Path, *, only: bool = False) -> Image:
    """An image with its boxes as a picture; with `other`, a second one of its boxes to the right."""
    from PIL import Image as images

    from core.analysis.cases import Case
    from core.analysis.drawing import draw_case

    case = sight.case
    if case is None:
        truth = None
        if sight.object is not None:
            truth = int(view.scene.objects.classes[sight.object])
        kind = "new image" if not view.errors.labelled else "compared"
        path = view.errors.paths[sight.image]
        case = Case(sight.image, path, truth, None, None, None, kind, sight.object, None, 0, 0)
    parts = [draw_case(each, case, root, only=only) for each in (view, other) if each is not None]
    if len(parts) == 1:
        return parts[0]
    size = sum(part.width for part in parts) + _GAP, max(part.height for part in parts)
    canvas = images.new("RGB", size, "white")
    canvas.paste(parts[0], (0, 0))
    canvas.paste(parts[1], (parts[0].width + _GAP, 0))
    return canvas


def save_picture(
    view: View,
    sight: Sight | None,
    other: View | None,
    folder: Path,
    name: str,
    root: Path,
    *,
    only: bool = False,
) -> tuple[Path, str]:
    """Write a sight with its boxes, or the matrix, as a new PNG file in `folder`.

    Returns where, and what to do about letters that no font has (empty: there are none). Raises DataError
    when it cannot be written, UsageError for a font that is none.
    """
    from core.analysis.drawing import draw_matrix
    from core.analysis.fonts import font_advice

    texts = list(view.errors.classes)
    if sight is None:
        title = f"score {view.score:g}, IoU {view.iou:g}"
        image, what = draw_matrix(view.matrix, view.errors.classes, title), "matrix"
    else:
        image = drawn(view, sight, other, root, only=only)
        what = f"case-{sight.image:05d}-{sight.case.kind if sight.case is not None else 'image'}"
        texts.append(view.errors.paths[sight.image])
    data = io.BytesIO()
    image.save(data, "PNG")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, _PICTURES):
            file = folder / f"{name}-{what}-{number}.png"
            with suppress(FileExistsError), open(file, "xb") as target:
                target.write(data.getvalue())
                return file, font_advice(texts)
    except OSError as error:
        raise DataError(f"{clean(str(folder))}: {error.strerror}") from None
    raise DataError(f"{clean(str(folder))} is full of pictures of this: move some away.")
