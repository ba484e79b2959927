"""Annotations and detections of any tool, in COCO's formats, made into a run to look at."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from core.analysis.predictions import FORMAT, BoxPredictions, arrays_as_predictions, read_predictions
from core.analysis.scene import Scene
from core.config.load import dump, parse_experiment
from core.config.workspace import Workspace
from core.datasets.boxes.coco_file import TWICE, as_integer, as_number, image_names, read_coco
from core.datasets.boxes.results import read_results
from core.datasets.findings import Findings, count, fewer, some
from core.datasets.names import spelled
from core.datasets.plausibility import suspect_copies, suspect_results, suspect_strangers, suspect_twins
from core.errors import DataError
from core.metrics import COCO
from core.store.attempts import record_attempt
from core.store.files import write_bytes, write_json
from core.store.imports import file_sha256, imported_as, write_origin
from core.store.measures import read_row
from core.store.metrics import encode
from core.store.paths import RunPaths, checkpoint_id
from core.store.runs import create_run, read_meta
from core.text import clean

MODEL = "imported detections"
SPLIT = "val"
_EPOCH = 1
_METRIC = "val/map"
_COUNTED = {"image_id", "category_id", "bbox", "iscrowd", "ignore"}
_STEM = f"{checkpoint_id(1, _EPOCH)}-{SPLIT}"


@dataclass(frozen=True)
class ImportedPredictions:
    """The run that came of two files. `missing` images are not in the folder, `notes` tell of odd records.

    `known`: the same files were imported before, as this run, whose images were in `root`.
    """

    run: RunPaths
    images: int
    objects: int
    boxes: int
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    metrics: Mapping[str, float | None]
    root: Path
    known: bool = False


def import_predictions(
    workspace: Workspace,
    truth: Path,
    results: Path,
    images: Path,
    *,
    name: str = "",
    argv: Sequence[str] = (),
) -> ImportedPredictions:
    """A finished, read-only run with the detections in `results` of the images annotated in `truth`.

    Boxes are taken as written; images that are not in the folder keep theirs. The same files again give the
    same run. Raises DataError for files that are not COCO's or do not belong together, UsageError for a name
    that cannot be.
    """
    files = truth, results
    hashes = [file_sha256(path) for path in files]
    known = imported_as(workspace, hashes)
    if known is not None and (known.predictions / f"{_STEM}.npz").is_file():
        return _as_it_is(known, images)
    found = Findings()
    there = _read_truth(truth, found)
    guesses = read_results(results, there.image_ids, there.category_ids, found, there.paths)
    sha256 = hashes[1]
    arrays = {
        **there.arrays(images.absolute()),
        "format": np.array(FORMAT),
        "checkpoint": np.array(checkpoint_id(1, _EPOCH)),
        "sha256": np.array(sha256),
        "image_offsets": guesses.offsets,
        "boxes": guesses.corners,
        "scores": guesses.scores,
        "labels": guesses.labels,
        "score_floor": np.array(0.0),
        "nms_iou": np.array(1.0),
        "max_det": np.array(int(np.diff(guesses.offsets).max(initial=0))),
    }
    corners, offsets = guesses.corners, guesses.offsets
    suspect_results(found, results.name, corners, offsets, np.array(there.sizes).reshape(-1, 2))
    read = arrays_as_predictions(arrays, results)
    assert isinstance(read, BoxPredictions)
    assert read.objects is not None
    objects = read.objects
    suspect_strangers(found, results.name, (corners, offsets), (objects.boxes, objects.offsets))
    precision = Scene(read.objects, read.found, len(there.names)).precision
    now = time.time()
    per_class = [
        {"class": label, "n": row.objects, "ap": row.ap, "ap_50": row.ap_50, "ap_75": row.ap_75}
        for label, row in zip(there.names, precision.per_class, strict=True)
    ]

    def fill(new: RunPaths) -> None:
        write_origin(new, files, hashes, time=now)
        note = f"detections of {clean(results.name)} on {clean(truth.name)}"
        write_json(new.meta, {**read_meta(new), "note": note})
        write_bytes(new.predictions / f"{_STEM}.npz", _packed(arrays))
        values = {name: value for name, value in precision.summary.items() if value is not None}
        row = {"checkpoint": checkpoint_id(1, _EPOCH), "sha256": sha256, "split": SPLIT, "settings": {}}
        write_json(
            new.measures / f"{_STEM}.json", {**row, "n": len(there.paths), **values, "per_class": per_class}
        )
        stamp = {"t": now, "epoch": _EPOCH, "step": _EPOCH, "attempt": 1, "scope": "epoch"}
        line = {**stamp, **{f"{SPLIT}/{name}": value for name, value in values.items()}}
        write_bytes(new.metrics, encode(line))
        attempt = record_attempt(new, "finished", epoch=_EPOCH, step=_EPOCH, started=now, ended=now)
        notes = [f"{item}\n" for item in _notes(found)]
        write_bytes(attempt.log, "".join([f"imported from {clean(str(results))}\n", *notes]).encode())

    run = create_run(
        workspace,
        config_name=results.stem,
        config_text=_config(images),
        model=MODEL,
        metric=_METRIC,
        metric_mode="max",
        total_epochs=_EPOCH,
        argv=list(argv),
        name=name,
        imported=True,
        prepare=fill,
    )
    return ImportedPredictions(
        run,
        len(there.paths),
        len(there.labels),
        len(guesses.labels),
        _missing(there.paths, images),
        tuple(_notes(found)),
        precision.summary,
        images.absolute(),
    )


def _as_it_is(run: RunPaths, images: Path) -> ImportedPredictions:
    source = read_predictions(run.predictions / f"{_STEM}.npz")
    assert isinstance(source, BoxPredictions)
    assert source.objects is not None
    row = read_row(run, f"{_STEM}.json")
    return ImportedPredictions(
        run,
        len(source.origin.paths),
        len(source.objects.classes),
        len(source.found.classes),
        _missing(source.origin.paths, images),
        (),
        {name: row.metrics.get(name) for name in COCO} if row is not None else {},
        source.origin.root,
        known=True,
    )


def _missing(paths: Sequence[str], images: Path) -> tuple[str, ...]:
    return tuple(path for path in paths if not os.path.isfile(images / path))


@dataclass(frozen=True)
class _Truth:
    """The annotations of a file: images and classes by id, objects image by image in the file's order."""

    paths: tuple[str, ...]
    image_ids: tuple[str, ...]
    sizes: list[tuple[int, int]]
    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    counts: list[int]
    corners: list[tuple[float, float, float, float]]
    labels: list[int]
    crowd: list[bool]
    ignore: list[bool]
    area: list[float]
    source: list[int]

    def arrays(self, root: Path) -> dict[str, Any]:
        return {
            "root": np.array(str(root)),
            "paths": np.array(self.paths, np.str_),
            "class_names": np.array(self.names, np.str_),
            "image_ids": np.array(self.image_ids, np.str_),
            "category_ids": np.array(self.category_ids, np.int64),
            "sizes": np.array(self.sizes, np.int32).reshape(-1, 2),
            "gt_offsets": np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64))),
            "gt_boxes": np.array(self.corners, np.float64).reshape(-1, 4),
            "gt_labels": np.array(self.labels, np.int64),
            "gt_crowd": np.array(self.crowd, np.bool_),
            "gt_difficult": np.array(self.ignore, np.bool_),
            "gt_area": np.array(self.area, np.float64),
            "gt_source": np.array(self.source, np.int64),
            "ignore_difficult": np.array(True),
        }


def _read_truth(path: Path, found: Findings) -> _Truth:
    document = read_coco(path)
    shown = path.name
    names = _categories(path, document["categories"])
    images = _images(path, document["images"])
    label_at = {number: index for index, number in enumerate(names)}
    rows: dict[str, list[tuple[tuple[float, float, float, float], int, bool, bool, float, int]]] = {
        key: [] for key in images
    }
    strange, empty, twice = [], [], []
    lost: set[str] = set()
    for number, item in enumerate(document["annotations"], 1):
        record = item if isinstance(item, dict) else {}
        image, category = _key(record.get("image_id")), as_integer(record.get("category_id"))
        corners = _corners(record.get("bbox"))
        lost.add(image)
        if image not in rows or category is None or category.value not in label_at:
            strange.append(number)
        elif not _COUNTED.isdisjoint(record.get(TWICE, ())):
            twice.append(number)
        elif corners is None:
            empty.append(number)
        else:
            area = as_number(record.get("area"))
            size = (corners[2] - corners[0]) * (corners[3] - corners[1])
            identity = as_integer(record.get("id"))
            rows[image].append(
                (
                    corners,
                    label_at[category.value],
                    bool(record.get("iscrowd") or 0),
                    bool(record.get("ignore") or record.get("difficult") or 0),
                    area[0] if area is not None and np.isfinite(area[0]) else size,
                    identity.value if identity is not None else 0,
                )
            )
    bare = [images[key][0] for key in images if key in lost and not rows[key]]
    without = f"; {count(len(bare), 'image')} left without an object: {some(bare)}" if bare else ""
    for numbers, text in (
        (strange, "of an image or a class that is not in the file, dropped"),
        (empty, "without a valid box, dropped"),
        (twice, "with a key that is written twice, dropped"),
    ):
        if numbers:
            are = "annotation {} is" if len(numbers) == 1 else "annotations {} are"
            found.warn(shown, f"{are.format(some(map(str, numbers), 3))} {text}{without}")
            without = ""
    flat = [row for key in images for row in rows[key]]
    counts = [len(rows[key]) for key in images]
    suspect_twins(found, shown, "class name", list(names.values()))
    suspect_twins(found, shown, "image file", [path for path, _ in images.values()])
    offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    boxes = np.array([row[0] for row in flat], np.float64).reshape(-1, 4)
    suspect_copies(found, shown, boxes, np.array([row[1] for row in flat], np.int64), offsets)
    sizes = [_size(images[key][1], rows[key]) for key in images]
    suspect_results(found, shown, boxes, offsets, np.array(sizes).reshape(-1, 2), "annotations")
    columns: list[list[Any]] = [list(column) for column in zip(*flat, strict=True)] or [[] for _ in range(6)]
    return _Truth(
        tuple(images[key][0] for key in images),
        tuple(images),
        sizes,
        tuple(names.values()),
        tuple(names),
        counts,
        *columns,
    )


def _categories(path: Path, records: list[Any]) -> dict[int, str]:
    """Names by rising id. Raises DataError for records without, or an id of two names."""
    names: dict[int, str] = {}
    for record in records:
        number = as_integer(record.get("id")) if isinstance(record, dict) else None
        name = spelled(str(record.get("name") or "")) if isinstance(record, dict) else ""
        if number is None or not name:
            raise DataError(f"{clean(str(path))}: a category has no id or no name.")
        if names.setdefault(number.value, name) != name:
            raise DataError(f"{clean(str(path))}: category id {number.value} is given twice.")
    return dict(sorted(names.items()))


def _images(path: Path, records: list[Any]) -> dict[str, tuple[str, tuple[int, int] | None]]:
    """Path and size by id, rising. Raises DataError for records without, and ids given twice."""
    images: dict[str, tuple[str, tuple[int, int] | None]] = {}
    if not records:
        raise DataError(f"{clean(str(path))} has no images: its list is empty.")
    for record in records:
        key = _key(record.get("id")) if isinstance(record, dict) else ""
        names = image_names(record) if isinstance(record, dict) else ()
        if not key:
            raise DataError(f"{clean(str(path))}: an image has no id.")
        inside = _confined(names[0] if names else key)
        if key in images:
            both = f"{clean(images[key][0])} and {clean(inside)}"
            raise DataError(f"{clean(str(path))}: image id {clean(key)} is given to {both}.")
        width, height = (as_integer(record.get(side)) for side in ("width", "height"))
        size = (
            (width.value, height.value) if width and height and min(width.value, height.value) > 0 else None
        )
        images[key] = (inside, size)
    numeric = all(as_integer(key) for key in images)
    return dict(sorted(images.items(), key=lambda item: int(item[0]) if numeric else item[0]))


def _confined(name: str) -> str:
    """A path below the folder of images, whatever the file says: no root, no way up."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts).replace("\0", "") or "image"


def _key(value: object) -> str:
    number = as_integer(value)
    return str(number.value) if number is not None else clean(str(value or "").strip())


def _corners(box: object) -> tuple[float, float, float, float] | None:
    if not isinstance(box, list) or len(box) != 4:
        return None
    found = [as_number(value) for value in box]
    values = [value[0] for value in found if value is not None and np.isfinite(value[0])]
    if len(values) != 4 or values[2] <= 0 or values[3] <= 0:
        return None
    x, y, width, height = values
    return x, y, x + width, y + height


def _size(size: tuple[int, int] | None, rows: list[Any]) -> tuple[int, int]:
    """The size as stated, else what the boxes need."""
    if size is not None:
        return size
    ends = [row[0][2:] for row in rows] or [(1.0, 1.0)]
    return int(np.ceil(max(x for x, _ in ends))), int(np.ceil(max(y for _, y in ends)))


def _config(images: Path) -> str:
    """A config that can be read as one; what was trained elsewhere is not known."""
    data = {"root": str(images.absolute()), "format": "coco"}
    settings = {"data": data, "model": "fasterrcnn", "epochs": _EPOCH}
    text = dump(parse_experiment(json.dumps(settings), images))
    return f"# imported detections: the network and its settings are not known\n{text}"


def _notes(found: Findings) -> list[str]:
    return [str(item) for item in fewer((*found.of("error"), *found.of("warning")))]


def _packed(arrays: Mapping[str, Any]) -> bytes:
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
