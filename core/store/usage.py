"""How much disk a run takes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from core.store.paths import RunPaths


@dataclass(frozen=True)
class Usage:
    """Bytes of a run's files; a file with several names in it counts once. `freed` is what removing frees.

    What the run shares with another one by hard links (a fork's start checkpoint) is in `bytes`, not in
    `freed`.
    """

    bytes: int
    checkpoints: int
    freed: int


def run_usage(run: RunPaths) -> Usage:
    """Add up a run's files; never raises: what vanishes meanwhile is left out."""
    names: dict[tuple[int, int], int] = {}
    facts: dict[tuple[int, int], tuple[int, int, bool]] = {}
    for folder, in_checkpoints in _folders(run):
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            names[key] = names.get(key, 0) + 1
            before = facts.get(key, (0, 0, False))[2]
            facts[key] = (status.st_size, status.st_nlink, in_checkpoints or before)
    return Usage(
        bytes=sum(size for size, _, _ in facts.values()),
        checkpoints=sum(size for size, _, kept in facts.values() if kept),
        freed=sum(size for key, (size, links, _) in facts.items() if links <= names[key]),
    )


def _folders(run: RunPaths) -> list[tuple[str, bool]]:
    """Every folder below a run (links are not followed), and whether it is the one of checkpoints."""
    checkpoints = str(run.checkpoints)
    return [(folder, folder == checkpoints) for folder, _, _ in os.walk(run.root)]
