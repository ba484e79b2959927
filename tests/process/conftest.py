"""Fixtures of the tests with processes; one fork server serves them all."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.launch import dispatch
from core.launch.queue import register
from tests.process.process_tools import Forker


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Supervisors and trainers without the seconds of importing torch."""
    made = Forker(tmp_path_factory.mktemp("fork") / "s")
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """State, cache and slots that fixtures of a module share with what they start."""
    folder = tmp_path_factory.mktemp("homes")
    shared = {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "LABTUI_CPU_SLOTS": "2",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared.items():
            patch.setenv(name, value)
        yield shared


@pytest.fixture
def shared_homes(homes: Path, module_homes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The homes of the module in place of the test's own."""
    for name, value in module_homes.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace with one CPU slot, whose supervisors start `stub_worker.py`."""
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    stub = importlib.import_module("tests.process.stub_supervisor")
    monkeypatch.setattr(dispatch, "module_command", stub.supervisor_command)
    made = Workspace(tmp_path / "lab")
    made.runs.mkdir(parents=True)
    register(made)
    yield made
    sys.modules.pop("tests.process.stub_supervisor", None)
