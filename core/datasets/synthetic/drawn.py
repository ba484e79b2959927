"""The format `synthetic`: a small picture set drawn once into class folders and used like any other."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.config.schema import DataConfig, Synthetic
from core.datasets.class_folders.split_folders import no_root, require_folder
from core.errors import DataError, MissingFileError, UnreadableError
from core.reading import read_object
from core.store.locks import acquire
from core.text import clean

MARK = "synthetic.json"
DRAWING = 1  # raised when the same settings give other pictures
_BOXES_ONLY = ("boxes", "most", "empty")
_TEST_SHARE = 0.2
_LEAST = 5
_WAIT = 300.0


def settings_of(data: DataConfig) -> Synthetic:
    """What to draw for `data`."""
    return data.synthetic or Synthetic()


def group_of(class_name: str) -> str:
    """The group of a drawn class: `ring` of `ring thin`."""
    return class_name.split()[0]


def class_names(settings: Synthetic) -> tuple[str, ...]:
    """Names of the classes, variants of one group after another."""
    if settings.boxes:
        from core.datasets.synthetic import drawn_boxes as synthetic_boxes

        return synthetic_boxes.class_names(settings)
    from core.datasets.synthetic.shapes import SHAPES, VARIANTS

    shapes = list(SHAPES)[: settings.groups]
    pairs = [(index % settings.groups, index // settings.groups) for index in range(settings.classes)]
    return tuple(f"{shapes[group]} {VARIANTS[variant]}" for group, variant in sorted(pairs))


def class_counts(settings: Synthetic) -> tuple[int, ...]:
    """Pictures of each class: they fall geometrically, the first having `imbalance` times the last's.

    Large and small classes alternate, so that a group has both.
    """
    count = settings.classes
    weights = [settings.imbalance ** (-index / (count - 1)) for index in range(count)]
    spread = [weights[i // 2] if i % 2 == 0 else weights[count - 1 - i // 2] for i in range(count)]
    total = sum(spread)
    return tuple(max(_LEAST, round(settings.images * weight / total)) for weight in spread)


def drawn_already(data: DataConfig) -> bool:
    """Whether the set is there with these settings.

    Raises DataError when `root` holds something else, with the way out.
    """
    root = _root(data)
    if not root.exists():
        return False
    require_folder(root)
    shown = clean(str(root))
    try:
        there: object = read_object(root / MARK)
    except MissingFileError:
        if not any(root.iterdir()):
            return False
        raise DataError(
            f"{shown} is not empty and was not drawn by labtui: give another data.root, "
            "or remove data.synthetic to use the folder unchanged."
        ) from None
    except UnreadableError:
        there = None
    wanted = _mark(settings_of(data))
    if there == wanted:
        return True
    different = "other settings"
    if isinstance(there, dict):
        keys = [key for key in wanted if there.get(key) != wanted[key]]
        different += (
            " (" + ", ".join(f"{key} {clean(str(there.get(key)))}, now {wanted[key]}" for key in keys) + ")"
        )
    raise DataError(f"{shown} holds pictures drawn with {different}: remove it or give another data.root.")


def ensure_synthetic(data: DataConfig) -> Path:
    """The folder of the drawn set; drawn first when it is not there. Whoever comes second waits.

    Layout: train/CLASS/0000.png, test/CLASS/0000.png, synthetic.json; with boxes train/00000.png,
    test/00000.png and COCO files. Raises DataError when the folder holds something else or cannot be written.
    """
    root = _root(data)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            if not drawn_already(data):
                _make(root, settings_of(data))
    except OSError as error:
        raise DataError(f"{clean(str(root))} cannot be made: {error.strerror or error}.") from error
    return root


def _make(root: Path, settings: Synthetic) -> None:
    temporary = root.parent / f".{root.name}.new-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        _draw_all(temporary, settings)
        os.rename(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _draw_all(folder: Path, settings: Synthetic) -> None:
    if settings.boxes:
        from core.datasets.synthetic import drawn_boxes as synthetic_boxes

        synthetic_boxes.draw_all(folder, settings)
    else:
        _draw_classes(folder, settings)
    (folder / MARK).write_text(json.dumps(_mark(settings), indent=1) + "\n", encoding="utf-8")


def _draw_classes(folder: Path, settings: Synthetic) -> None:
    import numpy as np
    from PIL import Image

    from core.datasets.synthetic.shapes import draw

    counts = class_counts(settings)
    for index, name in enumerate(class_names(settings)):
        shape, variant = name.split()
        tests = max(1, round(counts[index] * _TEST_SHARE))
        for number in range(counts[index]):
            split = "test" if number < tests else "train"
            rng = np.random.default_rng([settings.seed, index, number])
            target = folder / split / name
            target.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(draw(shape, variant, settings.size, rng))
            picture.save(target / f"{number:04d}.png", compress_level=1)


def _mark(settings: Synthetic) -> dict[str, Any]:
    left_out = () if settings.boxes else _BOXES_ONLY  # sets drawn before there were boxes stay valid
    return {"drawing": DRAWING, **settings.model_dump(exclude=set(left_out))}


def _root(data: DataConfig) -> Path:
    if data.root is None:
        raise no_root("the folder to draw the pictures in")
    return data.root


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = acquire(root.parent / f".{root.name}.lock", timeout=_WAIT)
    if lock is None:
        raise DataError(f"{clean(str(root))} is still being drawn by another process: try again later.")
    with lock:
        yield
