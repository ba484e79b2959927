"""How children of labtui are started: own session, no terminal, our packages first on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import core


def module_command(module: str, *arguments: str, python: str = "") -> list[str]:
    """The argv that runs one of our modules, by default with this interpreter.

    `-P` keeps a `core` in the current folder out of the way.
    """
    return [python or sys.executable, "-P", "-m", module, *arguments]


def child_environment(
    extra: Mapping[str, str] | None = None, base: Mapping[str, str] | None = None, root: str = ""
) -> dict[str, str]:
    """The environment of this process, or `base`, with our root (or another's) first on PYTHONPATH."""
    base = os.environ if base is None else base
    mine = str(Path(core.__file__).parents[1])
    old = base.get("PYTHONPATH", "")
    parts = [root or mine, *(part for part in old.split(os.pathsep) if part and part not in (root, mine))]
    return {**base, **(extra or {}), "PYTHONPATH": os.pathsep.join(parts)}


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; its output is appended to `log` (0600)."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=dict(environment),
            close_fds=True,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    finally:
        os.close(output)
