"""Fixtures of the pure tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.store.records import RunSummary


@pytest.fixture
def summary() -> Callable[..., RunSummary]:
    """Make a run summary; what is not given is a finished run of ten epochs."""

    def make(**fields: Any) -> RunSummary:
        values: dict[str, Any] = {
            "id": "20261125-080000-demo-1a2b",
            "name": "",
            "config": "demo",
            "model": "tinyvgg_a",
            "state": "finished",
            "reason": "",
            "epoch": 10,
            "epochs": 10,
            "best": None,
            "parent": None,
            "created": 0.0,
            "started": None,
            "ended": None,
            "metric": "val/accuracy",
        }
        return RunSummary(**{**values, **fields})

    return make


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """Public sets of boxes with published values."""
    return _beside("reference_boxes")


@pytest.fixture(scope="session")
def error_files() -> ModuleType:
    """Predictions to look at errors of."""
    return _beside("error_files")


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
