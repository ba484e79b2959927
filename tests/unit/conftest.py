"""Fixtures of the pure tests."""

from __future__ import annotations

import importlib
from collections.abc import Callable
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
    return importlib.import_module("tests.unit.reference_boxes")


@pytest.fixture(scope="session")
def error_files() -> ModuleType:
    """Predictions to look at errors of."""
    return importlib.import_module("tests.unit.error_files")
