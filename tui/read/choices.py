"""What was chosen on the screens and holds at the next start: theme, smoothing, order, marks, folders."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config.workspace import state_home, state_path
from core.errors import LabError
from core.store.files import peek_json, write_json

_MOST_WORKSPACES = 50
_LIMIT = 1 << 20
_EVERYWHERE = "everywhere"
_WORKSPACES = "workspaces"
_USED = "used"


class Choices:
    """Of one user: some hold everywhere, others in the workspace. In `screens.json` of the state folder."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = str(workspace)
        self._lock = threading.Lock()
        self._unwritten: list[tuple[str, object, bool]] = []
        content = self._read()
        self._everywhere = _mapping(content.get(_EVERYWHERE))
        self._here = _mapping(_mapping(content.get(_WORKSPACES)).get(self._workspace))

    def text(self, name: str, *, here: bool = False) -> str:
        """A word that was kept; empty when there is none."""
        value = (self._here if here else self._everywhere).get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float:
        """A number that was kept; 0 when there is none."""
        value = self._everywhere.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    def words(self, name: str) -> dict[str, str]:
        """Words by key that were kept for this workspace."""
        return {key: value for key, value in _mapping(self._here.get(name)).items() if isinstance(value, str)}

    def choose(self, name: str, value: object, *, here: bool = False) -> None:
        """Let a choice hold from now on; `write` keeps it."""
        values = self._here if here else self._everywhere
        if values.get(name) != value:
            values[name] = value
            self._unwritten.append((name, value, here))

    def write(self) -> None:
        """Keep what was chosen, in any thread; what other screens have kept meanwhile stays.

        What cannot be written holds until the screens are left.
        """
        with self._lock:
            chosen, self._unwritten = self._unwritten, []
            if not chosen:
                return
            content = self._read()
            everywhere = _mapping(content.get(_EVERYWHERE))
            workspaces = _mapping(content.get(_WORKSPACES))
            in_workspace = _mapping(workspaces.get(self._workspace))
            for name, value, here in chosen:
                (in_workspace if here else everywhere)[name] = value
            workspaces[self._workspace] = {**in_workspace, _USED: time.time()}
            newest = sorted(workspaces.items(), key=lambda item: _used(item[1]), reverse=True)
            kept = {_EVERYWHERE: everywhere, _WORKSPACES: dict(newest[:_MOST_WORKSPACES])}
            with suppress(OSError, LabError):
                write_json(state_home() / "screens.json", kept)

    def _read(self) -> dict[str, Any]:
        return peek_json(state_path() / "screens.json", _LIMIT) or {}


def _mapping(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _used(value: object) -> float:
    used = _mapping(value).get(_USED)
    return float(used) if isinstance(used, int | float) else 0.0
