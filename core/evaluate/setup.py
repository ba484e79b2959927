"""What a run's checkpoints are measured with: its config, its images or others, its device."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from core.config.data_formats import BOX_FORMATS
from core.config.load import read_stored
from core.config.schema import DataConfig, Experiment
from core.datasets.boxes.box_arrays import Boxes
from core.datasets.boxes.read_boxes import box_format
from core.datasets.class_folders.layout import find_folders
from core.datasets.class_folders.split_folders import Source, split_folders
from core.datasets.dataset import Dataset, FileList, make_dataset, read_dataset
from core.datasets.depth import PLAIN, Opening
from core.datasets.format import data_format
from core.datasets.moved import located
from core.datasets.open import open_dataset
from core.engine.build import code_file
from core.engine.class_match import Outputs
from core.engine.devices import why_no_cuda
from core.engine.log import log
from core.engine.resolve import THREADS_ENV, Resolved, choose_resolved, read_resolved, set_backend
from core.errors import DataError, RunFailedError, StateError
from core.reading import is_directory
from core.store.files import read_json
from core.store.paths import RunPaths
from core.text import clean

_SHOWN = 8


@dataclass(frozen=True)
class Setup:
    """`own` is true when images and settings are those that the run itself is measured with.

    `category_ids` are the classes' ids in the run's data, where those have ids; `opening` is how the run's
    pictures are opened, and all others that its networks see.
    """

    run: RunPaths
    experiment: Experiment
    classes: tuple[str, ...]
    resolved: Resolved
    own: bool
    category_ids: tuple[int, ...] | None = None
    opening: Opening = PLAIN

    @property
    def outputs(self) -> Outputs:
        """What the outputs of the run's networks stand for."""
        return Outputs(self.experiment, self.classes, code_file(self.run, self.experiment))


def prepare(run: RunPaths, *, on_gpu: bool, batch: int | None = None) -> Setup:
    """The run's config and choices, on this device; `batch` images at a time. Raises LabError."""
    experiment = read_stored(run.config)
    stored = read_resolved(run)
    resolved = for_device(stored or choose_resolved(experiment), "cuda" if on_gpu else "cpu")
    if isinstance(experiment.threads, int):
        resolved = replace(resolved, threads=experiment.threads)
    if batch is not None:
        resolved = replace(resolved, eval_batch=batch)
    torch.set_num_threads(resolved.threads)
    set_backend(resolved, experiment)
    own = stored is None or stored.precision == resolved.precision
    classes, category_ids = class_map(run, experiment)
    dataset = read_dataset(run)
    opening = PLAIN if dataset is None else dataset.opening
    return Setup(run, experiment, classes, resolved, own, category_ids, opening)


def for_device(resolved: Resolved, device: str) -> Resolved:
    """A run's choices carried over to the device of this job, with the threads of its slot.

    Off the GPU that a run was trained on, its numbers are computed in single precision.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise RunFailedError(
            f"This job was given a GPU that torch cannot use: {why_no_cuda()}. See labtui doctor."
        )
    if device == "cpu" and resolved.device == "mps" and torch.backends.mps.is_available():
        device = "mps"
    given = os.environ.get(THREADS_ENV, "")
    threads = int(given) if given.isdigit() and int(given) > 0 else resolved.threads
    if device == resolved.device:
        return replace(resolved, threads=threads)
    log(f"note: trained on {resolved.device}, computed on {device} now: last digits may differ")
    return replace(
        resolved, device=device, threads=threads, memory_format="channels_last", precision="float32"
    )


def class_map(run: RunPaths, experiment: Experiment) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """The classes that the run's networks tell apart, in order, and their ids in the data, if they have some.

    Raises StateError when nothing says so.
    """
    dataset = read_dataset(run)
    if dataset is not None:
        return dataset.class_names, dataset.category_ids
    if experiment.data.classes:
        return tuple(clean(name) for name in experiment.data.classes), None
    raise StateError(f"run {run.id} has no list of its classes: its training never started")


def own_dataset(run: RunPaths) -> Dataset:
    """The run's stored data set, looked for elsewhere when its folder is gone.

    Raises DataError (damaged, or gone), StateError (none).
    """
    dataset = read_dataset(run)
    if dataset is None:
        raise StateError(f"run {run.id} has no data set: give --data")
    if is_directory(dataset.root):
        return dataset
    found, note = located(run, dataset)
    if note:
        log(f"note: {note}")
    return found


def other_dataset(setup: Setup, config: Mapping[str, Any]) -> Dataset:
    """Other images, their labels numbered as the run's classes are.

    A folder of class folders, or of images with boxes, without splits is all `val`. Raises DataError that
    names the classes by which the two differ.
    """
    data = DataConfig.model_validate_json(json.dumps(dict(config)))
    if (read_json(setup.run.spec) or {}).get("imported") is True:
        data = test_as_val(data)
    dataset = open_dataset(data)
    given = setup.opening
    opening = replace(dataset.opening, levels=given.levels, decimals=given.decimals)
    if _is_one_folder(data):
        dataset = _whole(dataset)
    for note in dataset.notes:
        log(f"note: {note}")
    dataset = with_classes(dataset, setup.classes, setup.run.id, setup.category_ids)
    return replace(dataset, opening=opening)


def with_classes(
    dataset: Dataset, classes: tuple[str, ...], run_id: str, category_ids: tuple[int, ...] | None = None
) -> Dataset:
    """`dataset` with its classes in the order `classes`, which have `category_ids`.

    Data with boxes may lack classes, of which nothing is in their pictures. Raises DataError when the classes
    are not the same otherwise.
    """
    there = set(dataset.class_names)
    lacks = [name for name in classes if name not in there and dataset.boxes is None]
    more = [name for name in dataset.class_names if name not in classes]
    if lacks or more:
        words = [f"it lacks {_listed(lacks)}"] if lacks else []
        words += [f"only it has {_listed(more)}"] if more else []
        way = "Rename its folders" if dataset.boxes is None else "Rename them in its annotations"
        raise DataError(
            f"{clean(str(dataset.root))} has other classes than run {run_id}: {'; '.join(words)}. "
            f"{way}, or name the classes to use in data.classes of a file in configs/data/."
        )
    if dataset.class_names == classes:
        return dataset
    place = [classes.index(name) for name in dataset.class_names]
    if dataset.boxes is not None:
        boxes = {name: found.relabelled(place) for name, found in dataset.boxes.items()}
        return make_dataset(
            dataset.root, classes, dataset.splits, dataset.notes, boxes=boxes, category_ids=category_ids
        )
    splits = {
        name: FileList(files.paths, tuple(place[label] for label in files.labels), files.sizes)
        for name, files in dataset.splits.items()
    }
    return make_dataset(dataset.root, classes, splits, dataset.notes)


def test_as_val(data: DataConfig) -> DataConfig:
    """`data` as the lab used them: without validation images of their own, those are the test images."""
    if data.val is not None or data_format(data) == "synthetic":
        return data
    if data_format(data) == "folder":
        folders = find_folders(data)
        if folders.val is not None or folders.test is None:
            return data
    return data.model_copy(update={"val": "test"})


def _is_one_folder(data: DataConfig) -> bool:
    """Whether the data are class folders, or images with boxes, and nothing says what is train and val."""
    if data.root is None or data.kaggle is not None or data.train or data.val:
        return False
    name = data_format(data)
    if name in BOX_FORMATS:
        return [source.split for source in box_format(name).places(data, data.root).sources()] == ["train"]
    if name != "folder":
        return False
    folders = find_folders(data)
    only_train = folders.val is None and folders.test is None
    return only_train and folders.train == Source(folders.train.images) and not split_folders(data.root)


def _whole(dataset: Dataset) -> Dataset:
    """All images as `val`: nothing of them was trained on, so nothing has to be held out."""
    parts = [dataset.splits["train"], dataset.splits["val"]]
    rows = [row for files in parts for row in zip(files.paths, files.labels, files.sizes, strict=True)]
    order = sorted(range(len(rows)), key=lambda index: rows[index])
    paths, labels, sizes = zip(*(rows[index] for index in order), strict=True)
    boxes = None
    if dataset.boxes is not None:
        boxes = {"val": _together(dataset.boxes["train"], dataset.boxes["val"]).select(order)}
    files = {"val": FileList(paths, labels, sizes)}
    return make_dataset(
        dataset.root,
        dataset.class_names,
        files,
        boxes=boxes,
        category_ids=dataset.category_ids,
    )


def _together(first: Boxes, second: Boxes) -> Boxes:
    """The boxes of one split, then those of another."""
    columns: dict[str, Any] = {
        name: np.concatenate((getattr(first, name), getattr(second, name)))
        for name in ("corners", "labels", "crowd", "difficult", "area", "source", "sizes")
    }
    offsets = np.concatenate((first.offsets, first.offsets[-1] + second.offsets[1:]))
    return Boxes(offsets=offsets, image_ids=first.image_ids + second.image_ids, **columns)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
