"""Old checkpoint files of the lab made into runs: finished, read-only, with their curves.

`python -P -m core.evaluate.import_checkpoints` reads one JSON document from stdin and prints one to stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.config.load import parse_experiment, plain
from core.config.names import MODELS, TINYVGG
from core.config.schema import DataConfig, Experiment
from core.config.workspace import Workspace
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset
from core.errors import CheckpointError, LabError, UsageError
from core.evaluate.imported_run import Fitted, Imported, Series, checkpoint_bytes, make_run
from core.evaluate.lab_checkpoint import Foreign, read_foreign
from core.evaluate.setup import test_as_val, with_classes
from core.evaluate.weight_mapping import fit_momentum, fit_weights
from core.models.registry import build_model
from core.store.imports import file_sha256
from core.store.process import end_with_asker
from core.text import clean, did_you_mean

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCH = 32


@dataclass(frozen=True)
class Wish:
    """What is asked for; what is None is taken from the files' names and content."""

    workspace: Workspace
    files: tuple[Path, ...]
    model: str | None = None
    classes: tuple[str, ...] | None = None
    data: DataConfig | None = None
    name: str = ""
    argv: tuple[str, ...] = ()


def import_files(wish: Wish) -> list[Imported]:
    """Make a run of each series of files. Nothing is written unless all of them can be read and fit.

    Raises CheckpointError (unreadable, could run code, does not fit), UsageError, DataError.
    """
    series: dict[str, list[Foreign]] = {}
    for path in dict.fromkeys(wish.files):
        found = read_foreign(path)
        series.setdefault(f"{path.parent}/{found.name.series}", []).append(found)
    if wish.name and len(series) > 1:
        raise UsageError(f"--name names one run, but these files are {len(series)} series: import each alone")
    if wish.data is not None:
        wish = replace(wish, data=test_as_val(wish.data))
    dataset = None if wish.data is None else open_dataset(wish.data)
    plans = [_plan(wish, sorted(files, key=lambda file: file.epoch), dataset) for files in series.values()]
    return [make_run(wish.workspace, plan, name=wish.name, argv=wish.argv) for plan in plans]


def _plan(wish: Wish, files: list[Foreign], dataset: Dataset | None) -> Series:
    first = files[0]
    epochs = [file.epoch for file in files]
    if len(set(epochs)) < len(epochs):
        twice = next(epoch for epoch in epochs if epochs.count(epoch) > 1)
        raise UsageError(f"two files of {clean(first.name.series)} are of epoch {twice}: import one of them")
    if wish.model is not None and wish.model not in MODELS:
        raise UsageError(f"there is no model '{clean(wish.model)}'{did_you_mean(wish.model, MODELS)}")
    count = [value.shape[0] for value in first.weights.values() if value.dim()][-1:] or [0]
    classes, notes = _classes(wish, count[0], dataset, first)
    if dataset is not None:
        dataset = with_classes(dataset, classes, first.name.series)
    model = wish.model or first.name.model or _guess(first, classes)
    experiment = _experiment(wish, first, model, classes, max(epochs))
    network = build_model(experiment, len(classes))
    fitted = []
    for file in files:
        data, more = _fit(file, network, experiment, classes)
        fitted.append(Fitted(file, data, file_sha256(file.path)))
        notes += [f"{file.path.name}: {note}" for note in (*file.notes, *more)]
    curves, more = _joined(files)
    stated = [f"best_val_acc {file.best:.4f} ({file.path.name})" for file in files if file.best is not None]
    note = "; ".join(["imported from " + ", ".join(clean(file.path.name) for file in files), *stated])
    return Series(first.name.series, experiment, tuple(fitted), curves, dataset, note, (*notes, *more))


def _classes(
    wish: Wish, count: int, dataset: Dataset | None, file: Foreign
) -> tuple[tuple[str, ...], list[str]]:
    names = wish.classes or (dataset.class_names if dataset is not None else None)
    if names is not None:
        if len(names) != count:
            source = "--classes names" if wish.classes else f"{clean(str(dataset and dataset.root))} has"
            raise UsageError(f"{clean(str(file.path))} distinguishes {count} classes, {source} {len(names)}")
        return tuple(names), []
    if count == len(CIFAR10):
        return CIFAR10, ["ten classes, assumed to be those of CIFAR-10; --classes names others"]
    return tuple(f"class{number}" for number in range(count)), [
        f"its {count} classes have no names: they are called class0 to class{count - 1}; --classes names them"
    ]


def _guess(file: Foreign, classes: Sequence[str]) -> str:
    """The one TinyVGG that the weights fit. Raises UsageError when it is none or more than one."""
    fits = [name for name in TINYVGG if _fits(file, name, classes)]
    if len(fits) != 1:
        what = f"{len(fits)} models fit it ({', '.join(fits)})" if fits else "no TinyVGG fits it"
        raise UsageError(f"{clean(str(file.path))} does not say its model, and {what}: give --model")
    return fits[0]


def _fits(file: Foreign, model: str, classes: Sequence[str]) -> bool:
    try:
        network = build_model(_experiment(None, file, model, classes, 1), len(classes))
        fit_weights(file.weights, network, file.path.name)
    except LabError:
        return False
    return True


def _experiment(
    wish: Wish | None, file: Foreign, model: str, classes: Sequence[str], epochs: int
) -> Experiment:
    """The settings that the lab trained such a model with."""
    data: dict[str, Any] = {"root": str(file.path.parent.absolute())}
    if wish is not None and wish.data is not None:
        data = {key: value for key, value in plain(wish.data).items() if value is not None}
    settings: dict[str, Any] = {
        "data": {**data, "classes": list(classes)},
        "model": model,
        "epochs": epochs,
        "batch": _BATCH,
        "learning_rate": 0.01,
        "optimizer": {"name": "sgd", "momentum": 0.9},
    }
    if file.curves or file.name.scale is not None:
        scale = file.name.scale
        settings |= {
            "scheduler": {"name": "plateau", "metric": "val/accuracy_random", "factor": 0.1, "patience": 3},
            "augment": {
                "scale": list(scale) if isinstance(scale, tuple) else scale,
                "test_scale": file.name.test_scale,
                "hflip": True,
                "color_jitter": dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.2),
            },
            "measure": {"random": True},
            "metric": "val/accuracy_random",
        }
    else:
        settings["augment"] = {"pad_crop": 4, "hflip": True}
    # JSON is YAML, and a stored config is read as such.
    return parse_experiment(json.dumps(settings), file.path)


def _fit(
    file: Foreign, network: nn.Module, experiment: Experiment, classes: Sequence[str]
) -> tuple[bytes, list[str]]:
    shown = clean(str(file.path))
    try:
        weights = fit_weights(file.weights, network, shown)
    except CheckpointError as error:
        others = [name for name in TINYVGG if name != experiment.model and _fits(file, name, classes)]
        hint = f" It fits {' and '.join(others)}: give --model." if others else ""
        raise CheckpointError(f"{error}{hint}") from error
    network.load_state_dict(weights)
    momentum, rate = fit_momentum(file.optimizer, network)
    lost = not momentum and file.optimizer is not None and bool(file.optimizer.get("state"))
    notes = ["the optimiser's momentum does not fit and was left out"] if lost else []
    return checkpoint_bytes(network, experiment, classes, momentum, rate, epoch=file.epoch), notes


def _joined(files: list[Foreign]) -> tuple[dict[int, dict[str, float]], list[str]]:
    """Epoch rows out of all files; where two tell of one epoch, the later file counts."""
    rows: dict[int, dict[str, float]] = {}
    differing: set[int] = set()
    for file in files:
        for name, values in file.curves.items():
            for epoch, value in enumerate(values, file.epoch - len(values) + 1):
                row = rows.setdefault(epoch, {})
                if name in row and row[name] != value:
                    differing.add(epoch)
                row[name] = value
    notes = []
    if differing:
        notes.append(
            f"the files differ on epochs {min(differing)} to {max(differing)}: the later file counts"
        )
    return dict(sorted(rows.items())), notes


def main() -> int:
    """Do what the document on stdin asks; errors as `{"error": sentence, "code": exit code}`."""
    end_with_asker()
    torch.set_num_threads(1)
    asked = json.load(sys.stdin)
    wish = Wish(
        workspace=Workspace(Path(asked["workspace"])),
        files=tuple(map(Path, asked["files"])),
        model=asked.get("model"),
        classes=tuple(asked["classes"]) if asked.get("classes") else None,
        data=DataConfig.model_validate_json(json.dumps(asked["data"])) if asked.get("data") else None,
        name=asked.get("name") or "",
        argv=tuple(asked.get("argv") or ()),
    )
    try:
        document: dict[str, Any] = {"runs": [item.document() for item in import_files(wish)]}
    except LabError as error:
        document = {"error": str(error), "code": error.exit_code}
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
