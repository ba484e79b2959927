"""Files a network comes from: the user's code, of which a run keeps a copy, and pretrained weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.config.names import is_code
from core.errors import MissingFileError, StateError, UnreadableError, UsageError
from core.reading import exists, is_regular, read_bytes
from core.store.files import read_json
from core.store.paths import RunPaths
from core.text import clean

_LIMIT = 1 << 20


def read_code(model: str) -> tuple[str, bytes] | None:
    """File name and content of the network `/path/net.py:build`; None for networks that labtui knows.

    Raises UsageError when the file is missing, unreadable or longer than 1 MB.
    """
    if not is_code(model):
        return None
    path = Path(model.rpartition(":")[0])
    try:
        return path.name, read_bytes(path, _LIMIT)
    except MissingFileError:
        why = "does not exist"
    except UnreadableError as error:
        why = f"cannot be used: {error.reason}"
    raise UsageError(f"model: the file {clean(str(path))} {why}; it should hold the network's code")


def require_weights(weights: str | Path) -> None:
    """Raises UsageError when the file of weights that a config names is not there."""
    if isinstance(weights, Path) and not is_regular(weights):
        what = "is not a regular file" if exists(weights) else "does not exist"
        raise UsageError(
            f"weights: the file {clean(str(weights))} {what}; "
            "correct the path in the config, or put the file there"
        )


def changed_code(run: RunPaths, model: str) -> str:
    """The name of the file of a network of the user's own, when it is not what the run's copy was made of.

    Empty when it is the same, or cannot be read: the copy is what trains.
    """
    noted = (read_json(run.spec) or {}).get("model_code")
    if not isinstance(noted, dict) or not is_code(model):
        return ""
    try:
        now = read_code(model)
    except UsageError:
        return ""
    return clean(now[0]) if now and hashlib.sha256(now[1]).hexdigest() != noted.get("sha256") else ""


def inherited_code(parent: RunPaths) -> tuple[str, bytes] | None:
    """The copy that a run keeps of its network, for a fork. Raises StateError when it is damaged or gone."""
    noted = (read_json(parent.spec) or {}).get("model_code")
    if not isinstance(noted, dict):
        return None
    name = Path(str(noted.get("file"))).name
    try:
        content = read_bytes(parent.code / name, _LIMIT)
    except UnreadableError:
        content = b""
    if hashlib.sha256(content).hexdigest() != noted.get("sha256"):
        raise StateError(
            f"{parent.code / name} is not the network that run {parent.id} started with; put the file back, "
            "or fork with --set model=FILE:FUNCTION"
        )
    return name, content
