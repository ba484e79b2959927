"""Checkpoints whose saving or removal was cut short: told by the sidecar that lay ready, and finished.

A sidecar is written under a temporary name before its checkpoint appears and gets one again before it goes.
So a checkpoint file without any sidecar is none of ours (somebody copied it there), and stays.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from core.errors import UnreadableError
from core.reading import open_regular
from core.store import files
from core.store.paths import RunPaths

_SIDECAR = re.compile(r"\.(a\d{2,}-e\d{4,}(?:-s\d{6,})?)\.json\.[^.]+\.tmp")


def remove_files(file: Path) -> None:
    """Remove a checkpoint's file and sidecar. Raises OSError."""
    side = file.with_suffix(".json")
    going = side.with_name(files.temporary_name(side.name))
    with suppress(FileNotFoundError):
        files.rename(side, going)
    try:
        files.unlink(file)
    except OSError:
        with suppress(OSError):
            files.rename(going, side)
        raise
    files.unlink(going)


def settle(run: RunPaths) -> list[str]:
    """Remove what dead writers left in the checkpoints' folder; returns the removed names.

    A whole checkpoint that lacks only its sidecar, which lies ready, gets it.
    """
    with suppress(OSError):
        for entry in list(os.scandir(run.checkpoints)):
            match = _SIDECAR.fullmatch(entry.name)
            if match is None or not files.is_abandoned(entry.path, entry.name):
                continue
            side = run.checkpoints / f"{match[1]}.json"
            if not os.path.lexists(side) and _fits(Path(entry.path), side.with_suffix(".pt")):
                with suppress(OSError):
                    files.rename(entry.path, side)
    return files.sweep(run.checkpoints)


def _fits(side: Path, file: Path) -> bool:
    """Whether a file is the one that a sidecar describes."""
    content = files.peek_json(side) or {}
    try:
        with os.fdopen(open_regular(file), "rb") as opened:
            if os.fstat(opened.fileno()).st_size != content.get("bytes"):
                return False
            return hashlib.file_digest(opened, "sha256").hexdigest() == content.get("sha256")
    except (OSError, UnreadableError):
        return False
