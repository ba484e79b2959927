"""Which run belongs to a config, and what differs between the two."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.config.workspace import Workspace
from core.errors import ConfigError, UnreadableError
from core.humanise import MISSING
from core.store.catalogue import Catalogue
from core.store.paths import RunPaths
from core.store.records import RunSummary
from core.text import clean

if TYPE_CHECKING:
    from core.config.load import Loaded
    from core.config.schema import Experiment


@dataclass(frozen=True)
class Kin:
    """The newest run of a config: with the `same` settings, or else with `changed` ones (dotted keys)."""

    run: RunPaths
    summary: RunSummary
    stored: Experiment
    changed: tuple[str, ...]


def newest_kin(workspace: Workspace, loaded: Loaded, name: str = "") -> Kin | None:
    """The newest run of a config with equal result settings; without one, the newest that differs.

    Only runs called `name` count when it is given. None when the config has no run.
    """
    from core.config.load import changed_fields, read_stored

    differing: Kin | None = None
    for summary in Catalogue(workspace).refresh():
        run = RunPaths(workspace.runs / summary.id)
        if summary.config != loaded.name or (name and summary.name != name):
            continue
        with contextlib.suppress(ConfigError, UnreadableError):
            stored = read_stored(run.config)
            changed = changed_fields(stored, loaded.experiment).result
            if not changed:
                return Kin(run, summary, stored, ())
            differing = differing or Kin(run, summary, stored, tuple(changed))
    return differing


def change_words(old: Experiment, new: Experiment, keys: Sequence[str]) -> str:
    """`learning_rate 0.01 -> 0.001, batch 32 -> 64`."""
    return ", ".join(
        f"{key} {setting_text(old, key) or MISSING} -> {setting_text(new, key) or MISSING}" for key in keys
    )


def change_options(new: Experiment, keys: Sequence[str]) -> str:
    """`--set learning_rate=0.001 --set batch=64`, ready for a shell."""
    return " ".join(f"--set {shlex.quote(f'{key}={setting_text(new, key)}')}" for key in keys)


def setting_text(experiment: Experiment, key: str) -> str:
    """A setting as one types it; the empty string for nothing."""
    from core.config.fields import as_text
    from core.config.load import plain

    value: Any = experiment
    for part in key.split("."):
        value = getattr(value, part, None)
    value = plain(value)
    return clean(json.dumps(value) if isinstance(value, dict) else as_text(value))
