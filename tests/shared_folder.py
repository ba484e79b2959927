"""Reference data that is not part of this project: found beside the checkout, or tests are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(name: str) -> Path:
    """`shared/NAME` beside this checkout, or further up where it is a worktree; it may not exist."""
    paths = [folder / "shared" / name for folder in Path(__file__).parents[2:]]
    return next((path for path in paths if path.exists()), paths[0])


def needs_shared(name: str) -> pytest.MarkDecorator:
    """Skip a test where `shared(NAME)` is absent; the end of the run says so."""
    return pytest.mark.skipif(not shared(name).exists(), reason=f"needs ../shared/{name}")


def _bccd() -> Path:
    """The public set of blood cells: $LABTUI_BCCD, `data/bccd` here, or `data/BCCD` in a folder above."""
    here, *above = Path(__file__).parents[1:]
    paths = [here / "data" / "bccd", *(folder / "data" / "BCCD" for folder in above)]
    if named := os.environ.get("LABTUI_BCCD"):
        return Path(named)
    return next((path for path in paths if path.is_dir()), paths[0])


BCCD = _bccd()
needs_bccd = pytest.mark.skipif(not BCCD.is_dir(), reason="needs BCCD in data/bccd (or $LABTUI_BCCD)")
