"""The protocol of a data format, the table of those that are there, and which of them a data set has."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.config.data_formats import BOX_FORMATS, DATA_FORMATS, TABLE, formats_in
from core.config.data_schema import DataConfig, SplitPaths
from core.datasets.class_folders.layout import has_class_folders, has_classes
from core.datasets.class_folders.split_folders import split_folders, subfolders
from core.datasets.findings import some
from core.datasets.published.catalogue import PUBLISHED
from core.datasets.recognised import refuse_recognised
from core.errors import DataError
from core.text import clean

if TYPE_CHECKING:
    from core.datasets.boxes.read_boxes import Boxed
    from core.datasets.check import Check
    from core.datasets.class_images import ClassImages
    from core.datasets.dataset import Dataset
    from core.datasets.outline import Outline


class Format(Protocol):
    """One data format; `core.config.data_formats` names them all. All but `detect` raise DataError."""

    def detect(self, path: Path) -> bool:
        """Whether a folder, or a file, looks like it; False for formats that are only taken when named."""

    def has_boxes(self, data: DataConfig) -> bool:
        """Whether the images have boxes."""

    def require(self, data: DataConfig) -> None:
        """The quick part of `open`: raise when folders, files or classes are not there."""

    def require_usable(self, data: DataConfig) -> None:
        """Raise when no image or no object can be used to train or to validate; quick when all is well."""

    def outline(self, data: DataConfig) -> Outline:
        """What the set comes to, without opening an image (for boxes: more than a few)."""

    def open(self, data: DataConfig) -> Dataset:
        """The data set as training uses it."""

    def check(self, data: DataConfig, *, deep: bool = False) -> Check:
        """Everything that is odd about it; `deep`: all images are decoded, else as many as are quickly."""

    def read(self, data: DataConfig) -> Boxed | ClassImages:
        """All that can be counted of it, also where it cannot be trained on."""


@cache
def format_of(name: str) -> Format:
    """The format called `name`."""
    found: Format = import_module(DATA_FORMATS[name].module).FORMATS[name]
    return found


def data_format(data: DataConfig) -> str:
    """The name of the format of `data`, found where the config leaves it open. Raises DataError for two."""
    if data.format != "auto":
        return data.format
    if data.synthetic is not None:
        return "synthetic"
    if data.train is not None:
        return _of_splits(data)
    if data.root is None or not data.root.exists():
        return "folder"
    if data.root.is_file():
        return _of_file(data.root)
    names = [
        name for name, each in DATA_FORMATS.items() if _is_classes(name) and format_of(name).detect(data.root)
    ]
    if names and "train" in split_folders(data.root):
        names.append("folder")
    names += _with_boxes(data.root)
    if names == [TABLE] and has_class_folders(data.root):
        names.append("folder")
    if len(names) > 1:
        raise DataError(
            f"{clean(str(data.root))} holds {' and '.join(names)}: say which in data.format, "
            f"as format: {names[0]}."
        )
    if not names:
        _refuse_packed(data.root)
        if not has_classes(data.root):
            refuse_recognised(data.root)
    return names[0] if names else "folder"


def has_boxes(data: DataConfig) -> bool:
    """Whether the images of `data` have boxes. Raises DataError when its format cannot be told."""
    return format_of(data_format(data)).has_boxes(data)


def _is_classes(name: str) -> bool:
    return DATA_FORMATS[name].task == "classification"


def _with_boxes(path: Path) -> list[str]:
    """The formats with boxes that a path looks like; a table beside files of another is taken for a copy."""
    names = [name for name in BOX_FORMATS if name != TABLE and format_of(name).detect(path)]
    return names or [name for name in (TABLE,) if format_of(name).detect(path)]


def _of_file(path: Path) -> str:
    names = _with_boxes(path)
    if names:
        return names[0]
    if not formats_in(path.suffix):
        return "folder"
    raise DataError(
        f"{clean(str(path))} is a file, but no COCO file, data.yaml of YOLO, file of CVAT or table of boxes: "
        "give the folder of the data set."
    )


def _of_splits(data: DataConfig) -> str:
    """The format of splits that the config names: by their annotations, else by what is in their folders."""
    splits = [paths for paths in (data.train, data.val, data.test) if isinstance(paths, SplitPaths)]
    annotations = [paths.annotations for paths in splits if paths.annotations is not None]
    for path in annotations:
        if names := formats_in(path.suffix):
            return names[0]
    if not annotations and all(paths.images is not None for paths in splits):
        images = [paths.images for paths in splits if paths.images is not None]
        found = {name for folder in images if folder.is_dir() for name in _with_boxes(folder)}
        root = data.root if data.root is not None and data.root.is_dir() else None
        if not found and root is not None and not any(map(has_class_folders, images)):
            found = set(_with_boxes(root))
        return found.pop() if len(found) == 1 else "folder"
    near = [*annotations, *([data.root] if data.root is not None else [])]
    found = {name for folder in near if folder.is_dir() for name in _near(folder)}
    if len(found) != 1:
        what = f"may be {some(sorted(found))}" if found else "are in no known format"
        shown = clean(str(near[0] if near else splits[0].list))
        raise DataError(f"{shown}: the annotations {what}; say which in data.format.")
    return found.pop()


def _near(folder: Path) -> list[str]:
    """The formats that a folder, or the one that it is in, looks like."""
    return _with_boxes(folder) or _with_boxes(folder.parent)


def _refuse_packed(root: Path) -> None:
    """Raise DataError when all there is is the archive of a set that is known."""
    if subfolders(root):
        return
    for name, known in PUBLISHED.items():
        packed = [archive.name for archive in known.archives if (root / archive.name).is_file()]
        if packed and len(known.archives) == 1:
            raise DataError(
                f"{clean(str(root))} holds {packed[0]}, still packed: "
                f"`labtui data add {name} --root {clean(str(root))}` unpacks it."
            )
