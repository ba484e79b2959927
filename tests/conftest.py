"""Every test gets state and cache folders of its own and no workspace from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Private XDG folders; returns their parent."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    for name in ("LABTUI_WORKSPACE", "LABTUI_FAULT", "LABTUI_CPU_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    return home
