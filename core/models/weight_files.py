"""Files of weights: opened safely, checked against their sha256, unwrapped to a state dict of plain names."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.errors import CheckpointError, MissingFileError, UnreadableError
from core.models.imagenet import is_published
from core.reading import open_regular
from core.text import clean

PREFIXES = ("module.", "_orig_mod.")
_CONTAINERS = ("model", "state_dict", "model_state_dict")
_SHOWN = 3
_UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    OSError,
    RuntimeError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
)


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a state dict, or of one in a container (also labtui's checkpoints), by plain names.

    Only tensors and plain values are unpickled. `sha256` are the first digits that the file's must have; a
    file by the name of one of torchvision's is held to that name. Raises CheckpointError.
    """
    return read_hashed(path, sha256)[0]


def strip_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` without what DataParallel (`module.`) and torch.compile (`_orig_mod.`) put before its names."""
    # torch.compile wraps inner modules too; its word stands for nothing else. EMA models count their updates.
    names = {key: key.replace(PREFIXES[1], "") for key in state if key != "n_averaged"}
    while names and all(name.startswith(PREFIXES[0]) for name in names.values()):
        names = {key: name.removeprefix(PREFIXES[0]) for key, name in names.items()}
    return {name: state[key] for key, name in names.items()}


def read_hashed(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], str]:
    """`read_weights`, and the file's whole sha256."""
    content, found = read_content(path, sha256)
    return state_in(content, path), found


def read_content(path: Path, sha256: str | None = None) -> tuple[Any, str]:
    """All that a file holds, by plain values and tensors, and its sha256. Raises as `read_weights`."""
    shown = clean(str(path))
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except MissingFileError:
        raise CheckpointError(f"weights: there is no file {shown}.") from None
    except UnreadableError as error:
        raise CheckpointError(f"weights: {error}") from None
    except OSError as error:
        raise CheckpointError(f"weights: {shown} cannot be read: {error.strerror}.") from None
    if sha256 is not None and not found.startswith(sha256):
        raise CheckpointError(
            f"weights: {shown} has the sha256 {found[: max(16, len(sha256))]}..., not {sha256}...: it is "
            "damaged or another file."
        )
    promised = hash_in(path.name)
    if promised is not None and is_published(path.name) and not found.startswith(promised):
        raise CheckpointError(
            f"weights: {shown} is damaged or cut short: its sha256 begins with {found[:8]}, its name says "
            f"{promised}; download it again."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise CheckpointError(_refused(shown, error)) from error
    return content, found


def state_in(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what the file at `path` held, by plain names.

    The moving average of a labtui checkpoint goes before its weights. Raises CheckpointError.
    """
    shown = clean(str(path))
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"weights: {shown} holds {_kind(content)}, not a state dict (names and tensors)."
        )
    inner = [content[key] for key in _CONTAINERS if isinstance(content.get(key), Mapping)]
    state = next((tensors for tensors in map(_tensors, inner) if tensors), None)
    state = _tensors(content) if state is None else state | _average(content, state)
    if not state:
        keys = some(tuple(clean(str(key)) for key in content)) or "nothing"
        raise CheckpointError(
            f"weights: {shown} holds no state dict: looked for tensors by name, at the top and under "
            f"{', '.join(_CONTAINERS)}; found {keys}."
        )
    return strip_prefixes(state)


def _average(content: Mapping[Any, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
    average = content.get("ema")
    while isinstance(average, Mapping) and not _tensors(average).keys() & state.keys():
        average = next((part for part in average.values() if isinstance(part, Mapping)), None)
    if not isinstance(average, Mapping):
        return {}
    return {key: tensor for key, tensor in _tensors(average).items() if key in state}


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {key: item for key, item in content.items() if isinstance(key, str) and isinstance(item, Tensor)}


def hash_in(name: str) -> str | None:
    """The first digits of the sha256 in a name after torch hub's fashion, `resnet18-f37072fd.pth`."""
    found = re.search(r"-([0-9a-f]{8,64})\.", name)
    return found[1] if found else None


def _refused(shown: str, error: Exception) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is not None:
        return (
            f"weights: {shown} was not loaded: it holds more than tensors and plain values ({named[1]}), "
            "which could run code. Where you trust it, save its state dict alone: "
            "torch.save(model.state_dict(), FILE)."
        )
    reason = ""
    if isinstance(error, (RuntimeError, OSError)):
        first = re.split(r"\. |\n", clean(str(error), newlines=True).strip())[0]
        reason = f" ({first[:200].rstrip('.')})"
    return f"weights: {shown} is damaged or holds no weights of torch{reason}."


def _kind(content: Any) -> str:
    return "one tensor" if isinstance(content, Tensor) else f"a {type(content).__name__}"


def some(names: tuple[str, ...]) -> str:
    """The first names, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, ... ({len(names)} in all)"
