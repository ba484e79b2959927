"""What a checkpoint holds: plain values and tensors on the CPU, all that a bit-exact resume needs."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.engine import rng
from core.engine.class_match import Outputs, matched
from core.engine.optim import misfit, restore_optimizer
from core.engine.resolve import Resolved
from core.engine.schedule import Origin
from core.engine.state import BestSoFar, TrainState
from core.errors import CheckpointError
from core.models.weights import strip_prefixes
from core.store.checkpoints import newest_good, verify
from core.store.paths import RunPaths
from core.store.records import Checkpoint
from core.text import clean

FORMAT = 1
_KEYS = frozenset(
    {
        "format",
        "model",
        "optimizer",
        "scheduler",
        "epochs_done",
        "step",
        "step_in_epoch",
        "best",
        "sums",
        "rng",
        "data",
    }
)
_UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class DataKey:
    """What decides order and labels of training batches: a place within an epoch depends on it."""

    train: str
    classes: tuple[str, ...]
    seed: int
    batch: int


def serialise(state: TrainState, key: DataKey, resolved: Resolved, about: Mapping[str, Any]) -> bytes:
    """The bytes of a checkpoint file; `about` says whose it is (run, attempt, model name)."""
    content = {
        "format": FORMAT,
        "about": dict(about),
        "model": _on_cpu(dict(state.model.state_dict())),
        "optimizer": _on_cpu(state.optimizer.state_dict()),
        "scheduler": None if state.plateau is None else _on_cpu(state.plateau.state_dict()),
        "schedule": asdict(state.schedule.origin),
        "ema": None if state.ema is None else _on_cpu(state.ema.as_dict()),
        "scaler": None if state.scaler is None else state.scaler.state_dict(),
        "early_stop": None if state.patience is None else state.patience.as_dict(),
        "epochs_done": state.epochs_done,
        "step": state.step,
        "step_in_epoch": state.step_in_epoch,
        "best": None if state.best is None else asdict(state.best),
        "sums": state.sums.as_dict(),
        "rng": rng.capture(torch.device(resolved.device)),
        "data": {**asdict(key), "classes": list(key.classes)},
        "resolved": asdict(resolved),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def read_checkpoint(run: RunPaths, checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of a checkpoint file, its tensors on the CPU.

    Raises CheckpointError, naming the file and the newest undamaged checkpoint, when it is damaged, holds
    more than tensors and plain values, or was not written by labtui.
    """
    problem = verify(checkpoint)
    if problem is not None:
        raise CheckpointError(f"{problem} {_way_out(run, checkpoint)}")
    try:
        content = torch.load(checkpoint.file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        reason = (
            "it holds more than tensors and plain values, which could run code"
            if isinstance(error, pickle.UnpicklingError)
            else clean(str(error)).split("\n")[0][:200] or type(error).__name__
        )
        raise CheckpointError(
            f"{clean(str(checkpoint.file))} was not loaded: {reason}. {_way_out(run, checkpoint)}"
        ) from error
    if not isinstance(content, dict) or not content.keys() >= _KEYS:
        raise CheckpointError(
            f"{clean(str(checkpoint.file))} is not a checkpoint of labtui. {_way_out(run, checkpoint)}"
        )
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{clean(str(checkpoint.file))} has format {content['format']}, not {FORMAT}: update labtui."
        )
    return content


def model_state(content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """The weights that a checkpoint is measured with: its averages where there are such, else its own."""
    average = content.get("ema")
    state: Mapping[str, Tensor] = content["model"] if average is None else average["model"]
    return state


def load_model(
    run: RunPaths,
    checkpoint: Checkpoint,
    content: Mapping[str, Any],
    model: torch.nn.Module,
    outputs: Outputs,
) -> tuple[str, ...]:
    """Put the weights that a checkpoint is measured with into `model`; returns notes on how they were fitted.

    Outputs are matched by the names of the classes. Raises CheckpointError when they do not fit.
    """
    content, notes = matched(content, checkpoint.file, model, outputs)
    _load_weights(run, checkpoint, model_state(content), model)
    return notes


def require_fit(
    run: RunPaths,
    checkpoint: Checkpoint,
    content: Mapping[str, Any],
    model: torch.nn.Module,
    outputs: Outputs,
) -> tuple[str, ...]:
    """Notes on what a fork with the network `model` will make of these weights.

    Raises CheckpointError when it could not begin with them.
    """
    content, notes = matched(content, checkpoint.file, model, outputs, partly=True)
    _load_weights(run, checkpoint, content["model"], model)
    return notes


def restore(
    run: RunPaths, checkpoint: Checkpoint, state: TrainState, key: DataKey, device: torch.device
) -> None:
    """Continue `state` where the checkpoint was made, to the bit. Raises CheckpointError."""
    content = read_checkpoint(run, checkpoint)
    stored = _stored_key(content)
    if stored != key:
        raise CheckpointError(
            f"{clean(str(checkpoint.file))} was made with other data, batch or seed than this run: "
            "fork it to change them."
        )
    _load_weights(run, checkpoint, content["model"], state.model)
    try:
        restore_optimizer(state.optimizer, content["optimizer"], keep=("fused", "foreach", "name"))
        _restore_counters(content, state, device)
        _restore_helpers(content, state)
        if state.plateau is not None:
            state.plateau.load_state_dict(content["scheduler"])
        if state.patience is not None and content.get("early_stop") is not None:
            state.patience.load(content["early_stop"])
        origin = content.get("schedule")
        if origin is not None:
            state.schedule = replace(state.schedule, origin=Origin(int(origin["epoch"]), int(origin["step"])))
        best = content["best"]
        state.best = None if best is None else BestSoFar(float(best["value"]), int(best["epoch"]))
        state.sums.load(content["sums"])
    except _UNREADABLE as error:
        raise _unfit(run, checkpoint, error) from error


def restore_fork(
    run: RunPaths,
    checkpoint: Checkpoint,
    state: TrainState,
    key: DataKey,
    device: torch.device,
    outputs: Outputs,
) -> list[str]:
    """Start `state` from a parent's checkpoint: weights, momentum, generators and counters are its own.

    Learning rates and other optimiser settings stay as the new config has them; best, patience and schedule
    begin anew. Outputs are matched by the names of their classes. Returns notes on that and on what could not
    go on: the optimiser when method or trained parameters differ, the epoch under way when data, batch or
    seed do (it starts over with these weights). Raises CheckpointError.
    """
    stored = read_checkpoint(run, checkpoint)
    content, said = matched(
        stored, checkpoint.file, state.model, outputs, optimizer=state.optimizer, partly=True
    )
    notes = list(said)
    _load_weights(run, checkpoint, content["model"], state.model)
    try:
        reason = misfit(state.optimizer, content["optimizer"])
        if reason is None:
            settings = tuple(name for name in state.optimizer.param_groups[0] if name != "params")
            restore_optimizer(state.optimizer, content["optimizer"], keep=settings)
        else:
            notes.append(f"the optimiser starts fresh, without the parent's momentum: {reason}")
        _restore_counters(content, state, device)
        _restore_helpers(content, state)
        if state.step_in_epoch and _stored_key(content) != key:
            notes.append(
                f"epoch {state.epochs_done + 1} starts over: data, batch or seed differ from the parent's"
            )
            state.step_in_epoch = 0
        elif state.step_in_epoch:
            state.sums.load(content["sums"])
    except _UNREADABLE as error:
        raise _unfit(run, checkpoint, error) from error
    state.best = None
    state.schedule = replace(state.schedule, origin=Origin(state.epochs_done, state.step_in_epoch))
    return notes


def _load_weights(
    run: RunPaths, checkpoint: Checkpoint, weights: Mapping[str, Tensor], model: torch.nn.Module
) -> None:
    own = model.state_dict()
    if weights.keys() != own.keys():
        weights = strip_prefixes(weights)
    # Without the versions of its modules, torchvision takes a state for an old one and renames parts of it.
    state = OrderedDict(weights)
    state._metadata = getattr(own, "_metadata", None)  # type: ignore[attr-defined]
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        lines = [line.strip() for line in clean(str(error), newlines=True).splitlines() if line.strip()]
        detail = lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__
        raise CheckpointError(
            f"{clean(str(checkpoint.file))} does not fit this model: {detail[:200]} "
            "Fork only with the same model."
        ) from error


def _restore_counters(content: Mapping[str, Any], state: TrainState, device: torch.device) -> None:
    state.epochs_done = int(content["epochs_done"])
    state.step = int(content["step"])
    state.step_in_epoch = int(content["step_in_epoch"])
    rng.restore(content["rng"], device)


def _restore_helpers(content: Mapping[str, Any], state: TrainState) -> None:
    """Averages and gradient scale go on where there were such; else they begin with these weights."""
    if state.ema is not None:
        if content.get("ema") is not None:
            state.ema.load(content["ema"])
        else:
            state.ema.restart(state.model)
    if state.scaler is not None and content.get("scaler") is not None:
        state.scaler.load_state_dict(content["scaler"])


def _stored_key(content: Mapping[str, Any]) -> DataKey | None:
    stored = content["data"]
    try:
        return DataKey(stored["train"], tuple(stored["classes"]), stored["seed"], stored["batch"])
    except (KeyError, TypeError):
        return None


def _unfit(run: RunPaths, checkpoint: Checkpoint, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{clean(str(checkpoint.file))} does not fit this run: {clean(str(error))[:200]} "
        f"{_way_out(run, checkpoint)}"
    )


def _way_out(run: RunPaths, bad: Checkpoint) -> str:
    good = newest_good(run, but=bad.id)
    if good is None:
        return "There is no other checkpoint to continue from: start a new run."
    return f"The newest usable checkpoint is {good.id}: labtui resume {run.id} --from {good.id}"


def _on_cpu(value: Any) -> Any:
    """Tensors moved off the device, containers rebuilt as plain dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, Mapping):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on_cpu(item) for item in value) if type(value) in (list, tuple) else list(value)
    return value
