"""A data set found on disk, or fetched, written down as a file in configs/data/."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.output import table
from core.config.data_formats import BOX_FORMATS, DATA_FORMATS, PUBLISHED_FORMATS, formats_in
from core.config.data_schema import DataConfig
from core.config.workspace import Workspace, config_files
from core.errors import DataError, LabError, UsageError
from core.humanise import count
from core.store.outputs import write_new
from core.text import clean, did_you_mean

if TYPE_CHECKING:
    from core.datasets.dataset import Dataset
    from core.datasets.published.fetch import Progress

_MOST_CLASSES = 24
_FEW = 10
_LOOKED_AT = 60
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")


@dataclass(frozen=True)
class Added:
    """A data set and the file that names it; `written` is false when the file was there already."""

    name: str
    file: Path
    written: bool
    format: str
    config: DataConfig
    dataset: Dataset

    @property
    def held_out(self) -> bool:
        """Whether the validation images are a part of the training images."""
        return any("held out for validation" in note for note in self.dataset.notes)


def add_data_set(
    workspace: Workspace, given: str, *, name: str | None, root: Path | None, progress: Progress
) -> Added:
    """Look through the data set `given` (a folder, or a name such as cifar10, fetched when it is not there).

    Raises UsageError when the name is taken by another set, DataError for what is wrong with the set.
    """
    from core.datasets.format import data_format
    from core.datasets.open import open_dataset

    if given in PUBLISHED_FORMATS:
        from core.datasets.published.fetch import fetch

        where = _absolute(root) if root is not None else workspace.root / "data" / given
        fetch(given, where, progress)
        config = DataConfig.model_validate({"format": given, "root": where, "order": "file"})
    else:
        if root is not None:
            raise UsageError(
                f"--root is only used with {', '.join(PUBLISHED_FORMATS)}; {clean(given)} is a folder"
            )
        where = _place(given)
        found = data_format(DataConfig(root=where))
        order = {"order": "file"} if found in PUBLISHED_FORMATS else {}
        order = {"order": "frequency"} if found in BOX_FORMATS else order
        config = DataConfig.model_validate({"format": found, "root": where, **order})
    own = where.name if where.is_dir() else where.parent.name if where.stem == "data" else where.stem
    name = _checked(name) if name is not None else _slug(own if given not in PUBLISHED_FORMATS else given)
    file = workspace.configs / "data" / f"{name}.yaml"
    same = _names_the_same(file, config, workspace)
    dataset = open_dataset(config)
    if not same:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_new(file, _yaml(config, dataset, file))
    return Added(name, file, not same, config.format, config, dataset)


def summary(added: Added) -> list[str]:
    """What was found, in lines: classes with their images in each split, and what is odd."""
    dataset = added.dataset
    title = DATA_FORMATS[added.format].label
    classes = len(dataset.class_names)
    lines = [f"{clean(str(dataset.root))}: {title}, {count(classes)} classes", ""]
    splits = _splits(dataset)
    counts = {split: dataset.counts(split) for split in splits}
    order = range(classes)
    shown = order if classes <= _MOST_CLASSES else order[:_FEW]
    rows = [[dataset.class_names[i], *(count(counts[split][i]) for split in splits)] for i in shown]
    images = [count(len(dataset.splits[split])) for split in splits]
    if len(shown) < classes:
        rest = range(_FEW, classes)
        more = [count(sum(counts[split][i] for i in rest)) for split in splits]
        rows.append([f"{classes - _FEW} more classes", *more])
    if dataset.kind == "detection":
        rows.append(["objects", *(count(sum(counts[split])) for split in splits)])
    rows.append(["images" if dataset.kind == "detection" else "together", *images])
    lines += table(("class", *splits), rows, "l" + "r" * len(splits))
    lines += ["", *(f"note: {note}" for note in (*dataset.notes, *_odd(added)))]
    return lines


def next_command(workspace: Workspace, added: Added) -> str:
    """What to type to train on the set: a config of the workspace that goes with it."""
    names = [path.stem for path in config_files(workspace)]
    fitting = [name for name in names if _fits(name, workspace, added)]
    own = [name for name in fitting if _root_of(name, workspace) == added.config.root]
    if own:
        return f"labtui train --config {own[0]}"
    return f"labtui train --config {next(iter(fitting), 'CONFIG')} --data {added.name}"


def _fits(name: str, workspace: Workspace, added: Added) -> bool:
    from core.config.load import load_experiment

    try:
        experiment = load_experiment(name, data=added.name, workspace=workspace).experiment
    except LabError:
        return False
    test = "test" in added.dataset.splits or experiment.data.val != "test"
    return test and not (isinstance(experiment.weights, Path) and not experiment.weights.exists())


def _root_of(name: str, workspace: Workspace) -> Path | None:
    from core.config.load import load_experiment

    try:
        return load_experiment(name, workspace=workspace).experiment.data.root
    except LabError:
        return None


def as_json(added: Added) -> Mapping[str, object]:
    """The same as one JSON document."""
    dataset = added.dataset
    return {
        "name": added.name,
        "file": str(added.file),
        "written": added.written,
        "format": added.format,
        "root": str(dataset.root),
        "classes": list(dataset.class_names),
        "splits": {split: len(dataset.splits[split]) for split in _splits(dataset)},
        "counts": {split: list(dataset.counts(split)) for split in _splits(dataset)},
        "held_out": added.held_out,
        "notes": [*dataset.notes, *_odd(added)],
    }


def _splits(dataset: Dataset) -> list[str]:
    return [split for split in ("train", "val", "test") if split in dataset.splits]


def _odd(added: Added) -> list[str]:
    """Sentences on classes with few images and on the pictures themselves."""
    dataset = added.dataset
    notes = []
    counts = dataset.counts("train")
    things = "objects" if dataset.kind == "detection" else "images"
    few = [name for name, images in zip(dataset.class_names, counts, strict=True) if images < _FEW]
    if few:
        names = ", ".join(few[:5]) + (", ..." if len(few) > 5 else "")
        notes.append(f"fewer than {_FEW} training {things} in {names}")
    elif max(counts) >= 10 * min(counts):
        notes.append(
            f"the largest class has {max(counts) // min(counts)} times the smallest class's training {things}"
        )
    paths = dataset.splits["train"].paths
    notes += _pictures(dataset, paths[:: max(1, len(paths) // _LOOKED_AT)])
    return notes


def _pictures(dataset: Dataset, paths: Sequence[str]) -> list[str]:
    """Sizes and colours of some pictures."""
    from core.datasets.opening import read_header
    from core.datasets.pictures import is_member

    sizes, grey, clear = [], 0, 0
    for path in paths:
        if is_member(path):
            return []
        try:
            header = read_header(dataset.root / path, dataset.opening)
        except DataError:
            continue
        sizes.append(header.size)
        grey += header.mode in ("1", "L", "I", "F") or header.mode.startswith("I;16")
        clear += header.clear
    if not sizes:
        return []
    shorter = sorted(min(size) for size in sizes)
    least, most = shorter[0], shorter[-1]
    sides = f"{least} pixels" if least == most else f"{least} to {most} pixels"
    notes = [f"shorter sides of {len(sizes)} pictures looked at: {sides}"]
    if grey:
        notes.append(f"{grey} of them are grey")
    if clear:
        notes.append(f"{clear} of them are see-through in places, and put on white")
    return notes


def _place(given: str) -> Path:
    """The folder or file of a data set, absolute. Raises UsageError and DataError for what is none."""
    path = _absolute(Path(given))
    if path.is_file() and path.suffix.lower() in _ARCHIVES:
        raise UsageError(f"{clean(str(path))} is an archive: unpack it and give the folder")
    if not path.exists() and "/" not in given and (guess := did_you_mean(given, PUBLISHED_FORMATS)):
        raise UsageError(f"there is no folder {clean(str(path))}{guess}")
    if path.is_file() and formats_in(path.suffix):
        return path
    from core.datasets.class_folders.split_folders import require_folder

    require_folder(path)
    return path


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))


def _slug(text: str) -> str:
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._").lower()
    return slug or "data"


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UsageError(f"--name: '{clean(name)}' is not a valid name: use letters, digits, _, - and .")
    return name


def _names_the_same(file: Path, config: DataConfig, workspace: Workspace) -> bool:
    """Whether `file` is there and names the folder of `config`. Raises UsageError when it names another."""
    if not file.exists():
        return False
    from core.config.load import load_data

    there = load_data(file, workspace)
    if (
        there.root is not None
        and config.root is not None
        and os.path.realpath(there.root) == os.path.realpath(config.root)
    ):
        return True
    raise UsageError(
        f"{clean(str(file))} already describes another data set, in {clean(str(there.root))}: "
        "give this one another name with --name"
    )


def _yaml(config: DataConfig, dataset: Dataset, file: Path) -> str:
    from core.config.fields import as_text

    root = config.root
    assert root is not None
    home = file.parents[2]
    relative = os.path.relpath(root, file.parent) if root.is_relative_to(home) else str(root)
    sizes = ", ".join(f"{count(len(dataset.splits[split]))} {split}" for split in _splits(dataset))
    lines = [
        f"# {count(len(dataset.class_names))} classes; images: {sizes}.",
        f"format: {config.format}",
        f"root: {as_text(relative)}",
    ]
    if config.order != "name":
        why = "as published" if config.order == "file" else "the most frequent first"
        lines.append(f"order: {config.order}   # of the classes, {why}")
    has_test = "test" in dataset.splits
    if any("held out for validation" in note for note in dataset.notes):
        lines.append("# split: {ratio: 0.1, seed: 0}   # the part of train held out for validation")
    if has_test:
        lines.append("# val: test                      # or validate on the test images")
    return "\n".join(lines) + "\n"
