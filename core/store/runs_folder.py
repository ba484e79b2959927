"""Whether the folder with the runs is one that its user can rely on."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from core.os_errors import owner
from core.text import shown


def require_writable_folder(runs: Path) -> None:
    """Find out before anything is computed whether runs can be made in `runs`, which may not exist yet.

    Raises OSError that names the folder.
    """
    folder = next((path for path in (runs, *runs.parents) if os.path.lexists(path)), runs)
    if os.access(folder, os.W_OK | os.X_OK):
        return
    status = os.stat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder / runs.name))
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    number = errno.EROFS if read_only else errno.EACCES
    raise OSError(number, os.strerror(number), str(folder))


def doubts(runs: Path) -> list[tuple[str, str]]:
    """What speaks against a folder, each with what to do; empty where nothing does. Never raises."""
    try:
        status = os.stat(runs)
    except OSError:
        return []
    found = []
    if status.st_uid not in (os.geteuid(), 0):
        found.append(
            (
                f"belongs to {owner(status.st_uid)}, who can change or delete all runs in it",
                f"use a workspace of your own, or `chown` {shown(runs)} if it should be yours",
            )
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        found.append(("writable by other users", f"others can plant files there: `chmod go-w {shown(runs)}`"))
    if not os.access(runs, os.R_OK | os.X_OK):
        found.append(
            ("cannot be looked into", f"`labtui ls` cannot list its runs: see `ls -ld {shown(runs)}`")
        )
    elif not os.access(runs, os.W_OK):
        found.append(("cannot be written", "nothing can be started or changed in this workspace"))
    return found
