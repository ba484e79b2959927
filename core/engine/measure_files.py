"""What measuring leaves: a measure row and a predictions file, by checkpoint, split and settings."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.predictions import FORMAT
from core.engine.task import Measurement
from core.os_errors import reason
from core.store.files import DISK_FULL, make_dir, peek_json, write_bytes, write_json
from core.store.json_values import mapping_of
from core.store.metrics import encode_value
from core.store.paths import RunPaths

_SAME = frozenset({"class_names", "category_ids"})


def measure_path(run: RunPaths, checkpoint: str, split: str, key: str = "") -> Path:
    """Where the measure row of a checkpoint and a split lies; `key` is empty for the run's own settings."""
    return run.measures / f"{_stem(checkpoint, split, key)}.json"


def predictions_path(run: RunPaths, checkpoint: str, split: str, key: str = "") -> Path:
    """Where the predictions that belong to a measure row lie."""
    return run.predictions / f"{_stem(checkpoint, split, key)}.npz"


def settings_key(settings: Mapping[str, Any]) -> str:
    """8 hex digits that stand for evaluation settings which are not the run's own."""
    text = json.dumps(_stated(settings), sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def same_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two sets of evaluation settings mean the same; what is absent, off or empty is the same."""
    return _stated(a) == _stated(b)


def read_measure(
    run: RunPaths,
    checkpoint: str,
    sha256: str,
    split: str,
    *,
    key: str = "",
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The measure row, or None when there is none of this very checkpoint file (and of these settings)."""
    row = peek_json(measure_path(run, checkpoint, split, key))
    if row is None or row.get("sha256") != sha256:
        return None
    if settings is not None and not same_settings(mapping_of(row.get("settings")), settings):
        return None
    return row


def write_outputs(
    run: RunPaths,
    checkpoint: str,
    sha256: str,
    split: str,
    measured: Measurement,
    *,
    key: str = "",
    tell: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write predictions, then the measure row, which says that both are there; returns the row.

    `sha256` is that of the checkpoint file, empty when none was kept of this epoch. Raises OSError; with
    `tell`, predictions that the folder does not take (it is read-only, no folder, ...) are only told of, also
    in the row (`unwritten`), as they can be made again. A full disk raises in any case.
    """
    unwritten: dict[str, str] = {}
    if measured.predictions:
        try:
            make_dir(run.predictions, exist_ok=True)
            arrays = {**measured.predictions, **stamp(checkpoint, sha256)}
            write_bytes(predictions_path(run, checkpoint, split, key), packed(arrays))
        except OSError as error:
            if tell is None or error.errno in DISK_FULL:
                raise
            unwritten = {"unwritten": f"no predictions were kept: {reason(error)}"}
            tell(
                f"note: no predictions of {checkpoint} on {split} were kept: {run.predictions} cannot be "
                f"written ({reason(error)}); labtui measure {run.id} makes them again"
            )
    make_dir(run.measures, exist_ok=True)
    row = {
        **unwritten,
        "checkpoint": checkpoint,
        "sha256": sha256,
        "split": split,
        "settings": dict(measured.settings),
        "n": measured.images,
        **{name: encode_value(value) for name, value in measured.metrics.items()},
        "per_class": list(measured.per_class),
    }
    write_json(measure_path(run, checkpoint, split, key), row)
    return row


def stamp(checkpoint: str, sha256: str) -> dict[str, Any]:
    """What every predictions file says of itself: its format, and whose predictions they are."""
    return {"format": np.array(FORMAT), "checkpoint": np.array(checkpoint), "sha256": np.array(sha256)}


def joined(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Predictions of several lots of images as those of all of them.

    Arrays follow each other by name; offsets go on where the last lot ended; single values stay.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, first in parts[0].items():
        columns = [part[name] for part in parts]
        if name.endswith("offsets"):
            steps = np.concatenate([np.diff(column) for column in columns])
            found[name] = np.concatenate(([0], np.cumsum(steps))).astype(first.dtype)
        else:
            found[name] = first if first.ndim == 0 or name in _SAME else np.concatenate(columns)
    return found


def packed(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as the bytes of an `.npz` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _stem(checkpoint: str, split: str, key: str) -> str:
    return f"{checkpoint}-{split}-{key}" if key else f"{checkpoint}-{split}"


def _stated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON gives them back, without those that say nothing."""
    stated: dict[str, Any] = json.loads(json.dumps(dict(settings), default=list))
    return {name: value for name, value in stated.items() if value not in (None, False, "", [], {})}
