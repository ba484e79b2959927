"""A predictions file as measuring and predicting leave it: what was found, and what there was to find."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.boxes import Detections, Flags, Ints, Objects
from core.datasets.depth import PLAIN, Opening, from_numbers
from core.errors import DataError
from core.text import clean

FORMAT = 1
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Origin:
    """What both kinds of file say: which checkpoint looked at which images.

    `paths` are relative to `root`, as they stand on disk; class names are cleaned; `opening` is how the
    pictures are opened.
    """

    file: Path
    checkpoint: str
    sha256: str
    root: Path
    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    opening: Opening = PLAIN


@dataclass(frozen=True)
class BoxPredictions:
    """Boxes found in images, in pixels of the upright originals.

    `objects` is None where nothing was annotated (new images). sizes (n, 2) are width and height; image_ids
    are the source's names of the images, empty where there are none; category_ids those of the classes.
    difficult (m,) is the flag as annotated, `objects.ignore` whether it counts; source (m,) are annotation
    ids. Boxes with a score below `score_floor` were never kept.
    """

    origin: Origin
    found: Detections
    objects: Objects | None
    sizes: Ints
    image_ids: tuple[str, ...]
    category_ids: tuple[int, ...]
    difficult: Flags
    source: Ints
    score_floor: float
    nms_iou: float
    max_det: int


@dataclass(frozen=True)
class ClassPredictions:
    """Class probabilities of images.

    `labels` (n,) is None for new images. `probabilities` (n, classes), or, with many classes, None and the
    highest of them: top_probabilities (n, k), falling, and top_classes (n, k). `tta` holds the same names'
    means over views, where there were any.
    """

    origin: Origin
    labels: Ints | None
    probabilities: NDArray[np.float32] | None
    top_probabilities: NDArray[np.float32] | None
    top_classes: Ints | None
    tta: Mapping[str, NDArray[Any]]


def read_predictions(path: Path) -> BoxPredictions | ClassPredictions:
    """Read a predictions file of either kind.

    Raises DataError when it is missing, damaged, or was written by a newer labtui.
    """
    shown = clean(str(path))
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["format"]) > FORMAT if "format" in stored else False:
                raise DataError(f"{shown} was written by a newer labtui: update labtui to read it.")
            return arrays_as_predictions({name: stored[name] for name in stored.files}, path)
    except FileNotFoundError:
        raise DataError(f"{shown} is missing: measure the checkpoint again.") from None
    except _DAMAGED as error:
        reason = clean(str(error)).split("\n")[0][:200] or type(error).__name__
        raise DataError(
            f"{shown} cannot be read ({reason}): remove it and measure the checkpoint again."
        ) from error


def arrays_as_predictions(arrays: Mapping[str, Any], path: Path) -> BoxPredictions | ClassPredictions:
    """The content of a predictions file as records; `path` only names it. Raises KeyError, ValueError."""
    return _boxes(arrays, path) if "image_offsets" in arrays else _classes(arrays, path)


def found_boxes(arrays: Mapping[str, Any], classes: int) -> Detections:
    """The boxes found, out of a predictions file's arrays. Raises KeyError, ValueError."""
    offsets = _offsets(arrays["image_offsets"], len(arrays["scores"]))
    return Detections(
        offsets,
        _corners(arrays["boxes"], offsets),
        _labels(arrays["labels"], offsets[-1], classes),
        _column(arrays["scores"], np.float64, offsets[-1]),
        np.asarray(arrays["scores"]).dtype == np.float32,
    )


def true_objects(arrays: Mapping[str, Any], classes: int) -> Objects | None:
    """The annotated objects, out of a predictions file's arrays. Raises KeyError, ValueError."""
    if "gt_offsets" not in arrays:
        return None
    offsets = _offsets(arrays["gt_offsets"], len(arrays["gt_labels"]))
    difficult = _column(arrays["gt_difficult"], np.bool_, offsets[-1])
    return Objects(
        offsets,
        _corners(arrays["gt_boxes"], offsets),
        _labels(arrays["gt_labels"], offsets[-1], classes),
        _column(arrays["gt_crowd"], np.bool_, offsets[-1]),
        difficult & bool(arrays["ignore_difficult"]),
        _column(arrays["gt_area"], np.float64, offsets[-1]),
    )


def _boxes(arrays: Mapping[str, Any], path: Path) -> BoxPredictions:
    origin = _origin(arrays, path)
    images, classes = len(origin.paths), len(origin.class_names)
    found, truth = found_boxes(arrays, classes), true_objects(arrays, classes)
    sizes = np.asarray(arrays["sizes"], np.int64).reshape(-1, 2)
    for what, count in (("found", found.images), ("objects", truth.images if truth else images)):
        _require(count == images, f"{what} of {count} images, paths of {images}")
    _require(len(sizes) == images, f"sizes of {len(sizes)} images, paths of {images}")
    count = 0 if truth is None else len(truth.classes)
    return BoxPredictions(
        origin,
        found,
        truth,
        sizes,
        tuple(clean(str(name)) for name in arrays.get("image_ids", ())),
        tuple(int(number) for number in arrays.get("category_ids", ())),
        _column(arrays.get("gt_difficult", np.zeros(0)), np.bool_, count),
        _column(arrays.get("gt_source", np.zeros(count)), np.int64, count),
        float(arrays["score_floor"]),
        float(arrays["nms_iou"]),
        int(arrays["max_det"]),
    )


def _classes(arrays: Mapping[str, Any], path: Path) -> ClassPredictions:
    origin = _origin(arrays, path)
    images, classes = len(origin.paths), len(origin.class_names)
    whole, top = arrays.get("probabilities"), arrays.get("top_probabilities")
    if whole is not None:
        _require(whole.shape == (images, classes), f"probabilities have shape {whole.shape}")
    elif top is None or top.shape[:1] != (images,) or arrays["top_classes"].shape != top.shape:
        raise ValueError("it holds no probabilities of its images")
    return ClassPredictions(
        origin,
        _labels(arrays["labels"], images, classes) if "labels" in arrays else None,
        whole,
        None if whole is not None else top,
        None if whole is not None else _ranged(np.asarray(arrays["top_classes"], np.int64), classes),
        {name.removeprefix("tta_"): value for name, value in arrays.items() if name.startswith("tta_")},
    )


def _origin(arrays: Mapping[str, Any], path: Path) -> Origin:
    return Origin(
        path,
        str(arrays["checkpoint"]) if "checkpoint" in arrays else "",
        str(arrays["sha256"]) if "sha256" in arrays else "",
        Path(str(arrays["root"])),
        tuple(str(name) for name in arrays["paths"]),
        tuple(clean(str(name)) for name in arrays["class_names"]),
        from_numbers(arrays["opening"].tolist()) if "opening" in arrays else PLAIN,
    )


def _offsets(values: Any, rows: int) -> Ints:
    offsets = np.asarray(values, np.int64).reshape(-1)
    ends = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == rows
    _require(ends and bool((np.diff(offsets) >= 0).all()), "its offsets do not fit its rows")
    return offsets


def _corners(values: Any, offsets: Ints) -> NDArray[np.float64]:
    boxes = np.asarray(values, np.float64).reshape(-1, 4)
    _require(len(boxes) == offsets[-1], "boxes and offsets differ in number")
    _require(bool(np.isfinite(boxes).all()), "a box is not finite")
    return boxes


def _labels(values: Any, rows: int, classes: int) -> Ints:
    return _ranged(_column(values, np.int64, rows), classes)


def _ranged(labels: Ints, classes: int) -> Ints:
    _require(not labels.size or 0 <= labels.min() <= labels.max() < classes, "a class is beyond its names")
    return labels


def _column(values: Any, kind: Any, rows: int) -> Any:
    column = np.asarray(values, kind).reshape(-1)
    _require(len(column) == rows, f"a column has {len(column)} rows, not {rows}")
    return column


def _require(good: bool, reason: str) -> None:
    if not good:
        raise ValueError(reason)
