"""Where an imported run came from, so that the same files are not imported twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.config.workspace import Workspace
from core.errors import DataError
from core.reading import open_regular
from core.store.catalogue import list_runs
from core.store.files import peek_json, write_json
from core.store.paths import RunPaths
from core.text import clean

ORIGIN = "imported.json"


def file_sha256(path: Path) -> str:
    """The sha256 of a file. Raises DataError when it cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{clean(str(path))} cannot be read: {error.strerror}.") from None


def write_origin(run: RunPaths, files: Sequence[Path], hashes: Sequence[str], **more: Any) -> None:
    """Note which files a new run came from. Raises OSError."""
    entries = [
        {"path": str(path.absolute()), "sha256": sha256} for path, sha256 in zip(files, hashes, strict=True)
    ]
    write_json(run.root / ORIGIN, {"files": entries, **more})


def imported_as(workspace: Workspace, hashes: Sequence[str]) -> RunPaths | None:
    """The run that these very files, in this order, were imported as."""
    for run in list_runs(workspace):
        files = (peek_json(run.root / ORIGIN) or {}).get("files")
        entries = files if isinstance(files, list) else []
        if entries and [entry.get("sha256") for entry in entries if isinstance(entry, dict)] == list(hashes):
            return run
    return None
