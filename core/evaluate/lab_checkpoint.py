"""The lab's old checkpoint files: what stands in them, read without running any code of theirs."""

from __future__ import annotations

import math
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.errors import CheckpointError
from core.text import clean

LOGS = ("train/loss", "train/accuracy", "val/loss_random", "val/accuracy_random")
"""What the four lists of `logs` hold: the lab measured under the training's random changes."""
_SERIES = re.compile(
    r"(?P<arch>[a-e])_(?P<kind>[fm])_(?P<low>\d+)(?:_(?P<high>\d+))?_f_(?P<test>\d+)(?:_ep_(?P<epoch>\d+))?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<stem>.+?)_(?:ep|epoch)_?(?P<epoch>\d+)", re.IGNORECASE)
_V = re.compile(r"TinyVGG\w*?_v(?P<version>[0-4])(?![0-9])", re.IGNORECASE)
_WEIGHTS = ("state_dict", "model_state_dict", "model")
_OPTIMIZER = ("optimizer", "optimizer_state_dict")
_UNREADABLE = (
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class FileName:
    """What a file's name says: `c_m_36_44_f_40_ep_30.pth` is TinyVGG C on scales 36 to 44, measured at 40."""

    series: str
    model: str | None = None
    scale: int | tuple[int, int] | None = None
    test_scale: int | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Foreign:
    """A file's content: weights by the names that it uses, and the curves in it.

    `epoch` is the number of epochs behind the weights (1 when nothing says it). `curves` maps our names to
    the values of the epochs that end with it. `best` is the lab's best_val_acc.
    """

    path: Path
    name: FileName
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Any] | None
    epoch: int
    curves: Mapping[str, tuple[float, ...]]
    best: float | None
    notes: tuple[str, ...]


def read_name(path: Path) -> FileName:
    """Series, model, scales and epoch out of a file's name, as far as it says them."""
    stem = path.stem
    found = _SERIES.fullmatch(stem)
    if found:
        low, high = int(found["low"]), int(found["high"] or found["low"])
        return FileName(
            series=re.sub(r"_ep_\d+$", "", stem, flags=re.IGNORECASE),
            model=f"tinyvgg_{found['arch'].lower()}",
            scale=low if low == high else (low, high),
            test_scale=int(found["test"]),
            epoch=int(found["epoch"]) if found["epoch"] else None,
        )
    version = _V.search(stem)
    model = f"tinyvgg_v{version['version']}" if version else None
    numbered = _NUMBERED.fullmatch(stem)
    if numbered:
        return FileName(numbered["stem"], model, epoch=int(numbered["epoch"]))
    return FileName(stem, model)


def read_foreign(path: Path) -> Foreign:
    """Read one file. Raises CheckpointError, naming it, when it is no such file or could run code."""
    content = _load(path)
    name = read_name(path)
    weights = next((content[key] for key in _WEIGHTS if _is_state(content.get(key))), None)
    if weights is None and _is_state(content):
        weights = content
    if weights is None:
        raise CheckpointError(
            f"{_shown(path)} holds no weights: expected a dict with state_dict or model_state_dict in it."
        )
    curves, notes = _curves(content.get("logs"))
    length = max(map(len, curves.values()), default=0)
    epoch, more = _epoch(name, content.get("epoch"), length)
    best = content.get("best_val_acc")
    optimizer = next((content[key] for key in _OPTIMIZER if isinstance(content.get(key), Mapping)), None)
    return Foreign(
        path=path,
        name=name,
        weights=weights,
        optimizer=optimizer,
        epoch=epoch,
        curves={key: values[:epoch] for key, values in curves.items()},
        best=_number(best),
        notes=(*notes, *more),
    )


def _load(path: Path) -> Mapping[str, Any]:
    try:
        # Numbers that numpy computed are harmless, and the lab's lists may hold them.
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None:
            raise CheckpointError(
                f"{_shown(path)} cannot be read: it is not a torch file, or damaged."
            ) from error
        raise CheckpointError(
            f"{_shown(path)} was not loaded: it holds more than tensors and plain values "
            f"({clean(found[1])}), which could run code. Save it again as a state_dict with plain numbers."
        ) from error
    except _UNREADABLE as error:
        reason = clean(str(error)).split("\n")[0][:200] or type(error).__name__
        raise CheckpointError(f"{_shown(path)} cannot be read as a torch file: {reason}.") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{_shown(path)} holds a {type(content).__name__}, not a dict with weights.")
    return content


def _numpy_numbers() -> list[Any]:
    """What a pickled number of numpy's refers to, also under the name that numpy 1 had for it."""
    make = np.float64(0).__reduce__()[0]
    types = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)]
    return [make, (make, "numpy.core.multiarray.scalar"), np.dtype, *types]


def _curves(logs: object) -> tuple[dict[str, tuple[float, ...]], list[str]]:
    """The lists of `logs` under our names; a mapping's lists are taken in its order."""
    if logs is None:
        return {}, []
    lists = list(logs.values()) if isinstance(logs, Mapping) else logs
    if not isinstance(lists, list | tuple) or len(lists) != len(LOGS):
        return {}, ["its logs are not four lists, so no curve was imported"]
    numbers = [
        [_number(value) for value in values] if isinstance(values, list | tuple) else [None]
        for values in lists
    ]
    if len({len(values) for values in numbers}) != 1 or any(None in values for values in numbers):
        return {}, ["its logs are not four lists of as many numbers, so no curve was imported"]
    return {
        name: tuple(float(value) for value in values if value is not None)
        for name, values in zip(LOGS, numbers, strict=True)
    }, []


def _epoch(name: FileName, stored: object, length: int) -> tuple[int, list[str]]:
    said = stored if isinstance(stored, int) and not isinstance(stored, bool) and stored > 0 else None
    epoch = name.epoch or length or said
    if epoch is None:
        return 1, ["nothing says after how many epochs it was saved: it is kept as epoch 1"]
    if name.epoch and said and said not in (name.epoch, name.epoch - 1, name.epoch + 1):
        return epoch, [f"its name says epoch {name.epoch}, its content {said}: the name counts"]
    return epoch, []


def _is_state(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items())
    )


def _number(value: object) -> float | None:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if math.isfinite(float(value)) else math.nan


def _shown(path: Path) -> str:
    return clean(str(path))
