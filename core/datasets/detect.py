"""Which format a data set has, where the config leaves it to be found."""

from __future__ import annotations

from pathlib import Path

from core.config.data_schema import BOX_FORMATS
from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.coco_file import looks_like_coco
from core.datasets.boxes.coco_places import coco_files
from core.datasets.boxes.voc_places import looks_like_voc
from core.datasets.boxes.yolo_places import looks_like_yolo
from core.datasets.class_folders.split_folders import split_folders, subfolders
from core.datasets.findings import some
from core.datasets.published.arrays import array_formats
from core.datasets.published.catalogue import PUBLISHED
from core.errors import DataError
from core.text import clean

BOXED = frozenset(BOX_FORMATS)
"""Formats whose images have boxes."""


def data_format(data: DataConfig) -> str:
    """`folder`, `synthetic`, a set of torchvision's, one with boxes. Raises DataError when two would do."""
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
    found: list[str] = list(array_formats(data.root))
    if found and "train" in split_folders(data.root):
        found.append("folder")
    found += _with_boxes(data.root)
    if len(found) > 1:
        raise DataError(
            f"{clean(str(data.root))} holds {' and '.join(found)}: say which in data.format, "
            f"as format: {found[0]}."
        )
    if not found:
        _refuse_packed(data.root)
    return found[0] if found else "folder"


def has_boxes(data: DataConfig) -> bool:
    """Whether the images of `data` have boxes. Raises DataError when its format cannot be told."""
    if data_format(data) == "synthetic":
        return data.synthetic is not None and data.synthetic.boxes
    return data_format(data) in BOXED


def _with_boxes(root: Path) -> list[str]:
    found = []
    if looks_like_voc(root):
        found.append("voc")
    if coco_files(root):
        found.append("coco")
    if looks_like_yolo(root):
        found.append("yolo")
    return found


def _of_file(path: Path) -> str:
    if path.suffix.lower() == ".json" and looks_like_coco(path):
        return "coco"
    if looks_like_yolo(path):
        return "yolo"
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        return "folder"
    raise DataError(
        f"{clean(str(path))} is a file, but neither a COCO file of annotations nor a data.yaml of YOLO: "
        "give the folder of the data set."
    )


def _of_splits(data: DataConfig) -> str:
    """The format of splits that the config names: by their annotations, else by what is in their folders."""
    splits = [paths for paths in (data.train, data.val, data.test) if isinstance(paths, SplitPaths)]
    annotations = [paths.annotations for paths in splits if paths.annotations is not None]
    if any(path.suffix.lower() == ".json" for path in annotations):
        return "coco"
    if not annotations and all(paths.images is not None for paths in splits):
        images = [paths.images for paths in splits if paths.images is not None]
        found = {name for folder in images if folder.is_dir() for name in _with_boxes(folder)}
        return found.pop() if len(found) == 1 else "folder"
    near = [*annotations, *([data.root] if data.root is not None else [])]
    found = {name for folder in near if folder.is_dir() for name in _near(folder)}
    if len(found) != 1:
        what = f"may be {some(sorted(found))}" if found else "are of no format that is known"
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
