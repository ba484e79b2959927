"""What a measuring or predicting job is asked to do, checked before it starts. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config.workspace import Workspace
from core.datasets.images import is_foreign_image, is_image_name, unread_words
from core.datasets.walk import NOT_UTF8, files_in, is_text
from core.errors import CheckpointError, StateError, UsageError
from core.reading import HUGE, as_on_disk, shown
from core.store.changes import require_lists
from core.store.checkpoints import Chosen, choose, list_checkpoints, look_up
from core.store.files import peek_json, read_json
from core.store.paths import RunPaths
from core.store.records import Checkpoint
from core.text import clean, did_you_mean

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class MeasurePlan:
    """`content` is what job.json holds. `done` of the `total` rows are there already (own data only).

    `notes` say which checkpoints had to be taken for others that were named.
    """

    content: dict[str, Any]
    checkpoints: tuple[Checkpoint, ...]
    splits: tuple[str, ...]
    total: int
    done: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictPlan:
    """`content` is what job.json holds."""

    content: dict[str, Any]
    checkpoint: Checkpoint
    images: tuple[str, ...]
    note: str = ""


def plan_measure(
    workspace: Workspace,
    run: RunPaths,
    *,
    at: str = "all",
    splits: Sequence[str] = ("val",),
    data: str | None = None,
    batch: int | None = None,
    workers: int | None = None,
    prefetch: int | None = None,
) -> MeasurePlan:
    """What measuring `run` means: `at` is all, or words for checkpoints (`best,5,a01-e0007`).

    `all` are the checkpoints on the run's curve. Raises CheckpointError, UsageError (a split that is not
    there), StateError (an imported run without data), ConfigError or DataError (`data`).
    """
    named = chosen_checkpoints(run, at)
    chosen = [item.checkpoint for item in named]
    wanted = tuple(dict.fromkeys(splits))
    for split in wanted:
        if split not in SPLITS:
            raise UsageError(f"there is no split '{clean(split)}'{did_you_mean(split, SPLITS)}")
    other = None if data is None else _data_config(workspace, run, data)
    if other is None:
        _require_splits(run, wanted)
    content = {
        "at": [checkpoint.id for checkpoint in chosen],
        "splits": list(wanted),
        "data": data,
        "data_config": other,
        "batch": batch,
        "workers": workers,
        "prefetch": prefetch,
    }
    done = (
        0 if other is not None else sum(_has_row(run, point, split) for point in chosen for split in wanted)
    )
    notes = tuple(item.note for item in named if item.note)
    return MeasurePlan(content, tuple(chosen), wanted, len(chosen) * len(wanted), done, notes)


def chosen_checkpoints(run: RunPaths, at: str) -> list[Chosen]:
    """The checkpoints that `all`, or words with commas between, mean; each once, by epoch."""
    if at.strip() == "all":
        every = list_checkpoints(run)
        if not every:
            choose(run, "last")
        return [Chosen(point) for point in [item for item in every if not item.superseded] or every]
    words = [word.strip() for word in at.split(",") if word.strip()]
    if not words:
        raise UsageError("--at: expected all, best, last, or epochs or checkpoint ids like 5,10")
    found: dict[str, Chosen] = {}
    for item in (look_up(run, word) for word in words):
        if item.note or item.checkpoint.id not in found:
            found[item.checkpoint.id] = item
    return sorted(
        found.values(),
        key=lambda item: (item.checkpoint.epoch, item.checkpoint.step, item.checkpoint.attempt),
    )


def plan_predict(run: RunPaths, images: Sequence[str], *, at: str | None = None) -> PredictPlan:
    """Which checkpoint predicts which files; folders give all images in them.

    Without `at` it is the best checkpoint, or the last where none has the run's metric. Raises UsageError
    for paths that are not there, CheckpointError.
    """
    files = expand_images(images)
    if at is None:
        try:
            found = look_up(run, "best")
        except CheckpointError:
            found = look_up(run, "last")
    else:
        found = look_up(run, at)
    named = [file for file in files if is_text(file)]
    if not named:
        raise UsageError(f"{shown(files[0])}: its name is {NOT_UTF8}: rename it")
    content = {
        "checkpoint": found.checkpoint.id,
        "images": named,
        "skipped": [
            {"path": shown(file), "reason": f"{shown(file)}: its name is {NOT_UTF8}: rename it"}
            for file in files
            if not is_text(file)
        ],
    }
    return PredictPlan(content, found.checkpoint, tuple(named), found.note)


def expand_images(given: Sequence[str]) -> list[str]:
    """Absolute paths of files, and of the images in folders at any depth, sorted; each once.

    Also of images whose format is not read, to be named.
    """
    found: dict[str, None] = {}
    for text in given:
        path = as_on_disk(os.path.abspath(os.path.expanduser(text)))
        if os.path.isdir(path):
            entries = list(files_in(path))
            if not any(is_image_name(entry.name) for entry in entries):
                others = unread_words(entry.name for entry in entries)
                raise UsageError(f"{shown(path)} has no images in it{others}")
            inside = [entry for entry in entries if is_image_name(entry.name) or is_foreign_image(entry.name)]
            found.update(dict.fromkeys(sorted(entry.path for entry in inside)))
        elif os.path.exists(path):
            found[path] = None
        else:
            raise UsageError(f"there is no file or folder {shown(path)}")
    return list(found)


def _data_config(workspace: Workspace, run: RunPaths, data: str) -> dict[str, Any]:
    from core.config.load import plain, read_stored, with_data
    from core.datasets.open import require_root

    stored = read_stored(run.config)
    experiment = with_data(stored, data, workspace=workspace)
    require_root(experiment.data)
    config: dict[str, Any] = plain(experiment.data)
    return config


def _require_splits(run: RunPaths, wanted: Sequence[str]) -> None:
    stored = read_json(run.split, HUGE)
    if stored is None:
        if (read_json(run.spec) or {}).get("imported") is True:
            raise StateError(f"run {run.id} is imported and has no data set: give --data")
        require_lists(run)
        raise StateError(f"run {run.id} has no list of its images yet: it is written when training starts")
    there = stored.get("splits")
    names = [str(name) for name in there] if isinstance(there, dict) else []
    for split in wanted:
        if split not in names:
            raise UsageError(f"run {run.id} has no {split} images; its splits are {', '.join(names)}")


def _has_row(run: RunPaths, checkpoint: Checkpoint, split: str) -> bool:
    row = peek_json(Path(run.measures) / f"{checkpoint.id}-{split}.json")
    return row is not None and row.get("sha256") == checkpoint.sha256
