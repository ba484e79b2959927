"""labtui's own commands as children of the screens: what takes long, or has to outlive them."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from core.config.workspace import Workspace
from core.errors import LabError, StateError
from core.launch.spawn import child_environment, module_command, spawn
from core.store.locks import is_held
from core.text import clean

_BEGINS = 60.0
"""Seconds that a detached command may take until it holds its lock; a busy machine imports slowly."""


def command(workspace: Workspace, *words: str) -> list[str]:
    """The argv of `labtui WORDS` on this workspace."""
    return module_command("tui", *words, "--workspace", str(workspace.root))


def call(workspace: Workspace, *words: str) -> Any:
    """What `labtui WORDS --json` answers. Raises LabError with its sentence."""
    ended = subprocess.run(
        command(workspace, *words, "--json"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=workspace.root,
        env=child_environment(),
        start_new_session=True,
        check=False,
    )
    if ended.returncode:
        raise LabError(last_line(ended.stderr) or f"labtui {words[0]} ended with code {ended.returncode}")
    return json.loads(ended.stdout)


def detach(workspace: Workspace, *words: str, log: Path, lock: Path) -> None:
    """Start `labtui WORDS` in a session of its own and wait until it holds `lock`.

    Raises StateError with its sentence when it ends before that.
    """
    start = log.stat().st_size if log.exists() else 0
    child = spawn(command(workspace, *words), log=log, cwd=workspace.root, environment=child_environment())
    end = time.monotonic() + _BEGINS
    while child.poll() is None and not is_held(lock) and time.monotonic() < end:
        time.sleep(0.05)
    if child.returncode:
        with log.open("rb") as file:
            file.seek(start)
            said = last_line(file.read())
        raise StateError(said or f"labtui {words[0]} ended with code {child.returncode}")


def last_line(said: bytes) -> str:
    """The sentence at the end of what a command wrote."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return clean(lines[-1]) if lines else ""
