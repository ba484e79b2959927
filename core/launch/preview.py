"""What a run would be, before it starts: its network, the disk it will take, the disk that is free."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.names import is_code
from core.config.workspace import Workspace, cache_home, cache_path
from core.errors import UnreadableError
from core.launch.spawn import child_environment, module_command
from core.reading import read_bytes
from core.store.files import peek_json, write_json
from core.store.json_documents import cleaned
from core.store.measures import KEPT_CLASSES, KEPT_TOP
from core.store.process import asker
from core.store.version import code_version
from core.text import clean

if TYPE_CHECKING:
    from core.config.schema import Experiment
    from core.datasets.outline import Outline

TIMEOUT = 60.0
_GROUPS = ("Model", "Optimiser")
# They change how a network is trained, not what it is nor how large its checkpoints are.
_NO_PART = ("learning_rate", "back_lr", "head_lr", "batch", "label_smoothing", "clip_norm")
_LINE = 300
_BYTES_OF_A_BOX = 28
"""Four corners, a score and a class."""


def describe(experiment: Experiment, classes: int, timeout: float = TIMEOUT) -> dict[str, Any]:
    """The network of an experiment: `{"model", "parameters", "trainable", "parts", "layers",
    "checkpoint_bytes", "error"}`, built once in a child process and then kept in the cache folder.

    Never raises: what goes wrong, or takes longer than `timeout` seconds, is a sentence under `error`, and
    numbers are absent then.
    """
    kept = cache_path() / "describe" / f"{description_key(experiment, classes)}.json"
    known = peek_json(kept)
    if known is not None:
        return known
    found = _ask_child(experiment, classes, timeout)
    if found.get("error") is None:
        with suppress(OSError):
            cache_home()
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            write_json(kept, found)
    return found


def description_key(experiment: Experiment, classes: int) -> str:
    """16 hex digits that stand for all that a network and its checkpoints follow from."""
    from core.config.fields import field_specs, form_values

    values = form_values(experiment)
    keys = [spec.key for spec in field_specs() if spec.group in _GROUPS and spec.key not in _NO_PART]
    code = b""
    if is_code(experiment.model):
        with suppress(UnreadableError):
            code = read_bytes(Path(experiment.model.rpartition(":")[0]))
    facts = [
        {key: values[key] for key in keys if not key.startswith(("normalize.", "weights"))},
        classes,
        hashlib.sha256(code).hexdigest(),
        code_version(),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def saved_checkpoints(experiment: Experiment, epochs: int) -> int:
    """How many checkpoints lie there after `epochs` epochs.

    Every so many, the last and, where it may lie between, the best; or those kept, and one more than `keep`,
    as the best one stays too.
    """
    every, keep = experiment.checkpoint.every, experiment.checkpoint.keep
    saved = min(epochs, math.ceil(epochs / every) + (every > 1))
    return saved if keep == "all" else min(saved, keep + 1)


def disk_estimate(
    experiment: Experiment, checkpoint_bytes: int, predictions: int, epochs: int | None = None
) -> int:
    """Bytes that `epochs` epochs (by default all) will leave: checkpoints by `keep` and `every`, predictions.

    `predictions` are the bytes that one measured epoch leaves, over all its splits.
    """
    total = experiment.epochs if epochs is None else epochs
    measured = math.ceil(total / experiment.measure.every)
    return saved_checkpoints(experiment, total) * checkpoint_bytes + measured * predictions


def predictions_bytes(experiment: Experiment, data: Outline) -> int:
    """About the bytes of the probabilities or boxes that one measured epoch leaves, over all its splits."""
    images = sum(
        {"train": data.train, "val": data.val, "test": data.test}[s] for s in experiment.measure.splits
    )
    if experiment.is_detector:
        return _BYTES_OF_A_BOX * experiment.predict.max_det * images
    kept = len(data.classes) if len(data.classes) <= KEPT_CLASSES else 2 * KEPT_TOP
    return 4 * kept * images


def free_space(workspace: Workspace) -> int | None:
    """Bytes free where runs go; None when it cannot be known."""
    for folder in (workspace.runs, workspace.root):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def _ask_child(experiment: Experiment, classes: int, timeout: float) -> dict[str, Any]:
    from core.config.load import dump

    with tempfile.TemporaryDirectory(prefix="labtui-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(dump(experiment), encoding="utf-8", errors="surrogateescape")
        try:
            child = subprocess.run(
                module_command("core.engine.describe", str(config), "--classes", str(classes)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=folder,
                env=child_environment({"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **asker()}),
                timeout=timeout,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return _fault(experiment, f"the network was not built within {timeout:.0f} s")
        except OSError as error:
            return _fault(experiment, f"no process could be started ({error.strerror})")
    try:
        found = json.loads(child.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2])
        if isinstance(found, dict) and (found.get("error") or "parameters" in found):
            return dict(cleaned(found))
    except ValueError:
        pass
    said = clean(child.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])[:_LINE]
    return _fault(experiment, said or f"the network's process ended with code {child.returncode}")


def _fault(experiment: Experiment, sentence: str) -> dict[str, Any]:
    return {"model": os.path.basename(experiment.model), "error": sentence}
