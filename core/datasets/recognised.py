"""Data sets in forms that labtui does not read, recognised by their files so that a message can name them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from core.datasets.class_folders.split_folders import names_in, subfolders
from core.errors import DataError, UnreadableError
from core.reading import open_regular, shown

_HEAD = 1 << 13
_FEW = 8
_LOOKED_AT = 400
_DEPTH = 2
_EXPORT = "export it as COCO, YOLO or Pascal VOC"
_AS_FILES = "save its pictures as files, in a folder for each class or with a COCO file for boxes"
# Words at the beginning of a JSON or XML file that all have to be there, what it is, and the way out.
_DOCUMENTS: tuple[tuple[str, tuple[bytes, ...], str, str], ...] = (
    (".xml", (b"<annotations", b"<track "), "CVAT for video", _EXPORT),
    (".json", (b'"shapes"', b'"imagePath"'), "LabelMe", "convert it to COCO, as labelme2coco does"),
    (".json", (b'"regions"', b'"shape_attributes"'), "VGG Image Annotator", _EXPORT),
    (".json", (b'"coordinates"', b'"label"', b'"image"'), "CreateML", _EXPORT),
    (".json", (b'"classTitle"', b'"points"'), "Supervisely", _EXPORT),
    (".json", (b'"box2d"', b'"labels"'), "Scalabel", _EXPORT),
    (".json", (b'"data"', b'"annotations"', b'"result"'), "Label Studio", _EXPORT),
    (".json", (b'"dataType"', b'"annotations"'), "Datumaro", _EXPORT),
)
_PACKED = (
    (re.compile(r".*\.(tfrecords?|record)(-\d+-of-\d+)?"), "TFRecord files", _AS_FILES),
    (re.compile(r".*\.(parquet|arrow)"), "Parquet or Arrow files", _AS_FILES),
    (re.compile(r".*\.(lmdb|mdb)"), "an LMDB database", _AS_FILES),
    (re.compile(r".*\.(h5|hdf5)"), "HDF5 files", _AS_FILES),
    (re.compile(r".*\.np[yz]"), "NumPy files", _AS_FILES),
    (re.compile(r".*\.(zip|tar|tgz|7z|rar|tar\.(gz|xz|bz2))"), "an archive", "unpack it"),
    (re.compile(r".*\.mat"), "MATLAB files", "write labels.csv with file,label, or for boxes a COCO file"),
)


def refuse_recognised(root: Path) -> None:
    """Raise DataError with the name of what `root` is and the way out, when it is a form that is known."""
    for file in _files(root):
        ending = os.path.splitext(file.name)[1].lower()
        if ending in (".json", ".xml") and (told := document_kind(file)) is not None:
            what, way_out = told
            raise DataError(
                f"{shown(root)} is annotated in the form of {what} ({shown(file.name)}), which labtui does "
                f"not read: {way_out}."
            )
    for file in _files(root):
        for pattern, what, way_out in _PACKED:
            if pattern.fullmatch(file.name.lower()):
                raise DataError(
                    f"{shown(root)} holds {what} ({shown(file.name)}), which labtui does not read: {way_out}."
                )


def document_kind(file: Path) -> tuple[str, str] | None:
    """The tool that wrote a JSON or XML file of annotations, and the way out; None for others."""
    head = head_of(file)
    for ending, words, what, way_out in _DOCUMENTS:
        if file.name.lower().endswith(ending) and all(word in head for word in words):
            return what, way_out
    return None


def head_of(file: Path) -> bytes:
    """The first bytes of a regular file; none where it cannot be read."""
    try:
        with os.fdopen(open_regular(file), "rb") as opened:
            return opened.read(_HEAD)
    except (OSError, UnreadableError):
        return b""


def _files(root: Path) -> Iterator[Path]:
    """Some files in `root` and in folders in it."""
    for folder in _folders(root, _DEPTH):
        names = sorted(name for name in islice(names_in(folder), _LOOKED_AT) if not name.startswith("."))
        yield from (folder / name for name in names if os.path.isfile(folder / name))


def _folders(root: Path, depth: int) -> Iterator[Path]:
    yield root
    for name in subfolders(root)[:_FEW] if depth else []:
        yield from _folders(root / name, depth - 1)
