"""Where the splits of a VOC data set lie: its lists in ImageSets, folders train and val, or all in one."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from core.config.schema import DataConfig, SplitName
from core.datasets.boxes.annotation_folders import annotations_near, bases, given, has, images_near
from core.datasets.boxes.annotations import BoxPlaces, BoxSource
from core.datasets.boxes.cvat_file import is_of_cvat
from core.datasets.class_folders.split_folders import require_folder, split_folders, subfolders
from core.datasets.findings import some
from core.errors import DataError
from core.text import clean

_LOOKED_AT = 3
_LIST_FOLDERS = ("ImageSets/Main", "ImageSets", "imagesets/main", "imagesets", "splits", "lists")


def find(data: DataConfig, root: Path | None) -> BoxPlaces:
    """Train, val and test: as the config names them, else found below `root`. Raises DataError."""
    return given(data, root, _complete, lambda folder: _found(folder, val_is_test=data.val == "test"))


def looks_like_voc(root: Path) -> bool:
    """Whether there are XML files where those of a VOC data set lie."""
    return any(_pair(base) or _split_pairs(base) or _years(base) for base in bases(root))


def _found(root: Path, *, val_is_test: bool) -> BoxPlaces:
    for base in bases(root):
        if parts := _split_pairs(base):
            return BoxPlaces(root, parts["train"], parts.get("val"), parts.get("test"))
        if pair := _pair(base):
            return _by_lists(root, base, pair, val_is_test) or BoxPlaces(root, BoxSource("train", *pair))
        years = _years(base)
        if len(years) == 1:
            return replace(_found(base / years[0], val_is_test=val_is_test), root=root)
        if years:
            raise DataError(f"{clean(str(base))} holds {some(years)}: name one in data.root.")
    raise DataError(
        f"{clean(str(root))} has no folder of XML files next to a folder of images: expected Annotations and "
        "JPEGImages, or xmls and images."
    )


def _pair(base: Path) -> tuple[Path, Path] | None:
    """The folders of images and of XML files in `base`."""
    annotations = annotations_near(base, ".xml")
    if annotations is not None and any(map(is_of_cvat, islice(annotations.glob("*.xml"), _LOOKED_AT))):
        return None
    images = images_near(base, but=annotations) if annotations is not None else None
    if annotations is not None and images is None and annotations == base:
        return None
    return (images or annotations, annotations) if annotations is not None else None


def _split_pairs(base: Path) -> dict[SplitName, BoxSource]:
    """Folders train, val and test with XML files and images in each, or both inside those for either."""
    found: dict[SplitName, BoxSource] = {}
    for split, name in split_folders(base).items():
        if pair := _pair(base / name):
            found[split] = BoxSource(split, *pair)
    if "train" not in found and (pair := _pair(base)) and pair[0] != pair[1]:
        images, annotations = split_folders(pair[0]), split_folders(pair[1])
        for split in images.keys() & annotations.keys():
            found[split] = BoxSource(split, pair[0] / images[split], pair[1] / annotations[split])
    return found if "train" in found else {}


def _years(base: Path) -> list[str]:
    """Folders with a VOC set each: VOC2007, VOC2012."""
    return [name for name in subfolders(base) if name.lower().startswith("voc") and _pair(base / name)]


def _by_lists(root: Path, base: Path, pair: tuple[Path, Path], val_is_test: bool) -> BoxPlaces | None:
    lists = {}
    for folder in (base / name for name in _LIST_FOLDERS):
        lists = {path.stem.lower(): path for path in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}
        if {"train", "trainval"} & lists.keys():
            break
    else:
        return None
    whole = "trainval" in lists and (val_is_test or not {"train", "val"} <= lists.keys())
    train = lists["trainval" if whole or "train" not in lists else "train"]
    sources: dict[str, BoxSource] = {"train": BoxSource("train", *pair, train)}
    if "val" in lists and not whole:
        sources["val"] = BoxSource("val", *pair, lists["val"])
    if "test" in lists:
        sources["test"] = BoxSource("test", *pair, lists["test"])
    note = f"splits are the lists {some(source.list.name for source in sources.values() if source.list)}"
    return BoxPlaces(root, sources["train"], sources.get("val"), sources.get("test"), notes=(note,))


def _complete(source: BoxSource, root: Path | None) -> BoxSource:
    """A split of the config with the folders that it does not name, looked for beside those that it does."""
    images, annotations = source.images, source.annotations
    near = [path for path in (images, annotations) if path is not None]
    places = [*(folder for path in near for folder in (path, path.parent, path.parent.parent)), *_bases(root)]
    if source.list is not None and not places:
        places = list(source.list.parents)[:4]
    if annotations is None:
        annotations = next(filter(None, (annotations_near(place, ".xml") for place in places)), None)
    if images is None:
        images = next(filter(None, (images_near(place, but=annotations) for place in places)), annotations)
    for path in (images, annotations):
        if path is not None:
            require_folder(path)
    if annotations is None or images is None:
        shown = clean(str(source.list or images or root))
        raise DataError(
            f"{shown}: no folder of XML files near it; name it in data.{source.split}.annotations."
        )
    if not has(annotations, ".xml"):
        raise DataError(f"{clean(str(annotations))} has no XML files.")
    return BoxSource(source.split, images, annotations, source.list)


def _bases(root: Path | None) -> list[Path]:
    return list(bases(root)) if root is not None and root.is_dir() else []
