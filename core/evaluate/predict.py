"""New images: what a checkpoint says of them, kept like a validation pass, without ground truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.datasets.dataset import Dataset
from core.datasets.depth import as_numbers
from core.datasets.image_header import look_at
from core.datasets.images import read_ends
from core.engine.build import build
from core.engine.checkpoint import load_model, read_checkpoint
from core.engine.log import log
from core.engine.measure_files import joined, packed, stamp
from core.engine.task import Task
from core.engine.tasks import make_task
from core.errors import DataError
from core.evaluate.progress import Progress
from core.evaluate.setup import Setup, prepare
from core.evaluate.top_predictions import top_boxes, top_classes
from core.store.checkpoints import choose
from core.store.files import make_dir, write_bytes, write_json
from core.store.paths import JobPaths, RunPaths
from core.text import clean

_CHUNK = 64


def run_predict(
    run: RunPaths,
    job: JobPaths,
    content: Mapping[str, Any],
    stop: Callable[[], bool],
    *,
    on_gpu: bool,
) -> tuple[bool, dict[str, Any]]:
    """Carry out one job; returns whether all images were looked at, and what result.json says.

    Writes `predictions/<checkpoint>-new-<job number>.npz` and a sidecar of the same name, which comes last.
    Images that cannot be read are named and left out. Raises DataError when none can, CheckpointError.
    """
    setup = prepare(run, on_gpu=on_gpu)
    point = choose(run, str(content["checkpoint"]))
    images = [str(path) for path in content["images"]]
    model = build(run, setup.experiment, len(setup.classes), setup.resolved)
    for note in load_model(run, point, read_checkpoint(run, point), model, setup.outputs):
        log(f"note: {point.id}: {note}")
    root = Path(os.path.commonpath([os.path.dirname(path) for path in images]))
    task = _task(setup, root, stop)
    progress = Progress(job, len(images))
    looked = _Looked()
    finished = True
    for start in range(0, len(images), _CHUNK):
        if stop():
            finished = False
            break
        chunk = [os.path.relpath(path, root) for path in images[start : start + _CHUNK]]
        progress.tell(chunk[0], done=start)
        looked.look(lambda paths: task.predict(model, root, paths, extras=True), chunk)
    progress.tell("", done=looked.count)
    if finished and not looked.paths:
        raise DataError(f"None of the {len(images)} images can be read: {looked.skipped[0]['reason']}")
    document: dict[str, Any] = {
        "checkpoint": point.id,
        "sha256": point.sha256,
        "root": clean(str(root)),
        "class_names": list(setup.classes),
        "settings": task.settings("new", extras=True),
        "images": [],
        "skipped": [*content.get("skipped", []), *looked.skipped],
        "damaged": _damaged(root, looked.paths),
        "file": None,
    }
    if looked.paths:
        stem = f"{point.id}-new-{job.number:04d}"
        document["images"] = looked.tops(setup.classes)
        document["file"] = f"{stem}.npz"
        make_dir(run.predictions, exist_ok=True)
        write_bytes(
            run.predictions / f"{stem}.npz", packed(looked.arrays(root, setup, point.id, point.sha256))
        )
        write_json(run.predictions / f"{stem}.json", document)
    log(f"{len(looked.paths)} images with {point.id}, {len(looked.skipped)} left out: {document['file']}")
    return finished, document


@dataclass
class _Looked:
    """What came of the images so far."""

    paths: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    parts: list[dict[str, NDArray[Any]]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.paths) + len(self.skipped)

    def look(self, predict: Callable[[Sequence[str]], dict[str, NDArray[Any]]], chunk: list[str]) -> None:
        """Predict a chunk; when an image in it cannot be read, each by itself."""
        try:
            self._add(predict(chunk), chunk)
        except DataError as error:
            if len(chunk) == 1:
                log(f"left out: {error}")
                self.skipped.append({"path": clean(chunk[0]), "reason": str(error)})
                return
            for path in chunk:
                self.look(predict, [path])

    def _add(self, arrays: dict[str, NDArray[Any]], paths: Sequence[str]) -> None:
        self.paths += paths
        self.parts.append(arrays)

    def arrays(self, root: Path, setup: Setup, checkpoint: str, sha256: str) -> dict[str, Any]:
        return {
            **joined(self.parts),
            "paths": np.array(self.paths, dtype=np.str_),
            "root": np.array(str(root), dtype=np.str_),
            "opening": np.array(as_numbers(setup.opening)),
            "class_names": np.array(setup.classes, dtype=np.str_),
            **stamp(checkpoint, sha256),
        }

    def tops(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """Each image with its likeliest classes or boxes."""
        arrays = joined(self.parts)
        rows = top_boxes(arrays, classes) if "image_offsets" in arrays else top_classes(arrays, classes)
        return [{"path": clean(path), **row} for path, row in zip(self.paths, rows, strict=True)]


def _damaged(root: Path, paths: Sequence[str]) -> list[dict[str, str]]:
    """Images of which a part is missing, and what stands for it."""
    cut = [path for path in paths if not read_ends(os.path.join(root, path)).whole]
    told = [(path, look_at(os.path.join(root, path)).damage) for path in cut]
    return [{"path": clean(path), "reason": f"{clean(path)}: {words}"} for path, words in told if words]


def _task(setup: Setup, root: Path, stop: Callable[[], bool]) -> Task:
    nothing = Dataset(root, setup.classes, {}, "", category_ids=setup.category_ids, opening=setup.opening)
    return make_task(
        setup.experiment, nothing, setup.resolved, batch_norm=False, cancelled=stop, training=False
    )
