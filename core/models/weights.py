"""Weights from files: read safely, made to fit, never taken over in silence when they do not."""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.config.schema import Experiment
from core.errors import CheckpointError
from core.models.classifiers import WITH_AUXILIARIES
from core.models.heads import head_of
from core.models.imagenet import imagenet_file, is_published
from core.text import clean

PREFIXES = ("module.", "_orig_mod.")
_CONTAINERS = ("model", "state_dict", "model_state_dict")
_AUXILIARIES = ("AuxLogits.", "aux1.", "aux2.")
_SHOWN = 3
_UNREADABLE = (
    struct.error,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class WeightsReport:
    """What came of a file of weights: tensors loaded, `fresh` ones left random, `unused` ones of the file."""

    source: str
    sha256: str
    loaded: int
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Lines for the log; none when there were no weights."""
        if not self.source:
            return []
        first = f"weights: {self.source}, sha256 {self.sha256[:16]}, {self.loaded} tensors loaded"
        return [first, *(f"note: {note}" for note in self.notes)]


def load_weights(
    model: nn.Module,
    experiment: Experiment,
    classes: int,
    *,
    log: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> WeightsReport:
    """Put the experiment's starting weights into `model`, if it names any.

    All must fit but the classifier, which stays as it is when the file's is for other classes. `log` gets a
    line before a download, `cancelled` is asked while it lasts. Raises CheckpointError for a file that is
    missing, damaged, unsafe or of another network, and for ImageNet weights that cannot be had;
    `core.models.imagenet.Cancelled`.
    """
    if experiment.weights == "none":
        return WeightsReport("", "", 0, (), ())
    if experiment.weights == "imagenet":
        file, digest = imagenet_file(experiment.model, log, cancelled)
    else:
        file, digest = Path(experiment.weights), experiment.weights_sha256
    state, sha256 = _read(file, digest)
    notes = _unfounded_name(file, sha256)
    return _fit(model, state, experiment.model, classes, clean(str(file)), sha256, notes)


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a state dict, or of one in a container (also labtui's checkpoints), by plain names.

    Only tensors and plain values are unpickled. `sha256` are the first digits that the file's must have; a
    file by the name of one of torchvision's is held to that name. Raises CheckpointError.
    """
    return _read(path, sha256)[0]


def strip_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` without what DataParallel (`module.`) and torch.compile (`_orig_mod.`) put before its names."""
    # torch.compile wraps inner modules too; its word stands for nothing else. EMA models count their updates.
    names = {key: key.replace(PREFIXES[1], "") for key in state if key != "n_averaged"}
    while names and all(name.startswith(PREFIXES[0]) for name in names.values()):
        names = {key: name.removeprefix(PREFIXES[0]) for key, name in names.items()}
    return {name: state[key] for key, name in names.items()}


def _read(path: Path, sha256: str | None) -> tuple[dict[str, Tensor], str]:
    shown = clean(str(path))
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise CheckpointError(f"weights: there is no file {shown}.") from None
    except OSError as error:
        raise CheckpointError(f"weights: {shown} cannot be read: {error.strerror}.") from None
    if sha256 is not None and not found.startswith(sha256):
        raise CheckpointError(
            f"weights: {shown} has the sha256 {found[: max(16, len(sha256))]}..., not {sha256}...: it is "
            "damaged or another file."
        )
    promised = _hash_in(path.name)
    if promised is not None and is_published(path.name) and not found.startswith(promised):
        raise CheckpointError(
            f"weights: {shown} is damaged or cut short: its sha256 begins with {found[:8]}, its name says "
            f"{promised}; fetch it again."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_refused(shown, error)) from error
    except (*_UNREADABLE, OSError) as error:
        reason = clean(str(error), newlines=True).strip().partition("\n")[0][:200] or type(error).__name__
        raise CheckpointError(f"weights: {shown} cannot be loaded: {reason.rstrip('.')}.") from error
    return strip_prefixes(_state_in(content, shown)), found


def _state_in(content: Any, shown: str) -> dict[str, Tensor]:
    """The state dict in what a file held; the moving average of a labtui checkpoint before its weights."""
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"weights: {shown} holds {_kind(content)}, not a state dict (names and tensors)."
        )
    state = _tensors(content)
    for key in () if state else _CONTAINERS:
        inner = content.get(key)
        if isinstance(inner, Mapping) and _tensors(inner):
            state = {**_tensors(inner), **_average(content, _tensors(inner))}
            break
    if not state:
        keys = _some(tuple(clean(str(key)) for key in content)) or "nothing"
        raise CheckpointError(
            f"weights: {shown} holds no state dict: looked for tensors by name, at the top and under "
            f"{', '.join(_CONTAINERS)}; found {keys}."
        )
    return state


def _average(content: Mapping[Any, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
    average = content.get("ema")
    while isinstance(average, Mapping) and not _tensors(average).keys() & state.keys():
        average = next((part for part in average.values() if isinstance(part, Mapping)), None)
    if not isinstance(average, Mapping):
        return {}
    return {key: tensor for key, tensor in _tensors(average).items() if key in state}


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {key: item for key, item in content.items() if isinstance(key, str) and isinstance(item, Tensor)}


def _fit(
    model: nn.Module,
    state: dict[str, Tensor],
    name: str,
    classes: int,
    source: str,
    sha256: str,
    notes: tuple[str, ...],
) -> WeightsReport:
    # The tensors of a state dict share the model's memory, whatever wraps the model.
    own = strip_prefixes(model.state_dict())
    state = _modernised(name, _positions_resized(name, own, state))
    head = head_of(model)
    prefix = None if head is None else next(iter(strip_prefixes({f"{head.prefix}.": torch.empty(0)})))
    matching = {key for key, tensor in own.items() if key in state and state[key].shape == tensor.shape}
    fresh: set[str] = set()
    if prefix is not None:
        of_head = {key for key in own if key.startswith(prefix)}
        fresh = set() if of_head <= matching else of_head
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = [key for key in own if key not in matching | fresh | counters]
    unknown = [key for key in state if key not in own and not _ignored(key, name, prefix)]
    if missing or unknown:
        raise CheckpointError(_misfit(source, name, own, state, len(matching), missing, unknown))
    loaded = [key for key in own if key in matching and key not in fresh]
    with torch.no_grad():
        for key in loaded:
            own[key].copy_(state[key])
    if fresh and prefix is not None:
        notes = (*notes, _about_head(prefix, state, own, classes))
    at_random = tuple(key for key in own if key in fresh)
    unused = tuple(key for key in state if key not in own or key in fresh)
    return WeightsReport(source, sha256, len(loaded), at_random, unused, notes)


def _about_head(prefix: str, state: dict[str, Tensor], own: dict[str, Tensor], classes: int) -> str:
    theirs = next((state[key] for key in own if key.startswith(prefix) and key in state), None)
    for_others = "" if theirs is None else f": the file's is for {theirs.shape[0]} classes, not {classes}"
    return f"the classifier {prefix.rstrip('.')} starts at random{for_others}"


def _ignored(key: str, name: str, head: str | None) -> bool:
    """Whether the network may lack this tensor of a file: auxiliary classifiers, parts of another head."""
    auxiliary = name in WITH_AUXILIARIES and key.startswith(_AUXILIARIES)
    return auxiliary or (head is not None and key.startswith(head))


def _misfit(
    source: str,
    name: str,
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    matching: int,
    missing: list[str],
    unknown: list[str],
) -> str:
    text = f"weights: {source} does not fit {name}: {matching} of its {len(own)} tensors match"
    absent = [key for key in missing if key not in state]
    other = [key for key in missing if key in state]
    if absent:
        text += f"; missing: {_some(tuple(absent))}"
    if other:
        key = other[0]
        text += f"; {clean(key)} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
    if unknown:
        text += f"; unexpected: {_some(tuple(map(clean, unknown)))}"
    return f"{text}. Give the file of the same network, or weights: none."


def _positions_resized(name: str, own: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A vision transformer's position embedding, interpolated to the image size (bicubic, as torchvision)."""
    key = "encoder.pos_embedding"
    if not name.startswith("vit_") or key not in state or key not in own:
        return state
    if state[key].dim() != 3 or state[key].shape == own[key].shape or state[key].shape[1] < 2:
        return state
    from torchvision.models.vision_transformer import interpolate_embeddings

    patch = int(name.rpartition("_")[2])
    side = round((own[key].shape[1] - 1) ** 0.5) * patch
    try:
        return dict(interpolate_embeddings(side, patch, dict(state)))
    except ValueError:
        return state


def _modernised(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """DenseNet's published files have the names of an older torchvision: norm.1 for norm1."""
    if not name.startswith("densenet"):
        return state
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): state[key] for key in state}


def _unfounded_name(file: Path, sha256: str) -> tuple[str, ...]:
    promised = _hash_in(file.name)
    if promised is None or sha256.startswith(promised):
        return ()
    return (f"{clean(file.name)} ends in {promised}, but its sha256 begins with {sha256[:8]}",)


def _hash_in(name: str) -> str | None:
    """The first digits of the sha256 in a name after torch hub's fashion, `resnet18-f37072fd.pth`."""
    found = re.search(r"-([0-9a-f]{8,64})\.", name)
    return found[1] if found else None


def _refused(shown: str, error: Exception) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named is None:
        return f"weights: {shown} is damaged or was not written by torch.save."
    return (
        f"weights: {shown} was not loaded: it holds more than tensors and plain values ({named[1]}), which "
        "could run code. Where you trust it, save its state dict alone: torch.save(model.state_dict(), FILE)."
    )


def _kind(content: Any) -> str:
    return "one tensor" if isinstance(content, Tensor) else f"a {type(content).__name__}"


def _some(names: tuple[str, ...]) -> str:
    """The first names, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, ... ({len(names)} in all)"
