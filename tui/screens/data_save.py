"""Figures of a data set for elsewhere: stats.md and plots, written by a child, which has matplotlib."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DataError, LabError
from core.launch.spawn import child_environment, module_command
from core.text import clean

if TYPE_CHECKING:
    from core.config.schema import DataConfig

_MOST = 1000
_LAST = 2000


def save_figures(config: Callable[[], DataConfig], folder: Path, name: str, split: str) -> Path:
    """Write what `labtui data stats --plots` writes into a new folder below `folder`; returns it.

    Raises LabError with the child's sentence, as when matplotlib is not installed.
    """
    import yaml

    from core.config.load import plain

    target = next(
        (path for number in range(1, _MOST) if not (path := folder / f"{name}-data-{number}").exists()), None
    )
    if target is None:
        raise DataError(f"{clean(str(folder))} has too many plots of this: move some away.")
    with tempfile.TemporaryDirectory(prefix="labtui-") as scratch:
        file = Path(scratch, "data.yaml")
        file.write_text(yaml.safe_dump(_given(plain(config())), allow_unicode=True), encoding="utf-8")
        words = ["data", "stats", str(file), "--plots", str(target), *(["--split", split] if split else [])]
        done = subprocess.run(
            module_command("tui", *words),
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    if not (target / "stats.md").exists():
        lines = done.stderr[-_LAST:].decode("utf-8", "replace").strip().splitlines()
        raise LabError(
            clean(lines[-1]) if lines else f"The plots were not written: exit code {done.returncode}."
        )
    return target


def _given(tree: Any) -> Any:
    """A mapping without what is not set."""
    if isinstance(tree, dict):
        return {key: _given(item) for key, item in tree.items() if item is not None}
    return tree
