"""How screens and widgets are built: of parts, not of layers."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

from textual.dom import DOMNode

import tui

MOST_LEVELS = 2
"""Classes of our own above one of the toolkit's."""


def own_levels(cls: type) -> int:
    """The longest chain of our own classes that a class ends."""
    if not cls.__module__.startswith("tui."):
        return 0
    return 1 + max((own_levels(base) for base in cls.__bases__), default=0)


def drawn_classes() -> set[type]:
    """All screens and widgets of the program."""
    made: set[type] = set()
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, DOMNode) and value.__module__ == module.name:
                made.add(value)
    return made


def test_no_screen_or_widget_is_inherited_through_many_layers() -> None:
    classes = drawn_classes()
    assert len(classes) > 40
    deep = {cls.__qualname__: own_levels(cls) for cls in classes if own_levels(cls) > MOST_LEVELS}
    assert deep == {}


def test_what_the_screen_of_errors_knows_needs_no_toolkit(tmp_path: Path) -> None:
    code = (
        "import json, sys, tui.errors.model, tui.errors.source\n"
        "sys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert not {"textual", "numpy", "torch"} & set(json.loads(ended.stderr))
