"""What a tracker is told about a run, besides its metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from core.config.names import is_code
from core.errors import ConfigError, UnreadableError
from core.metrics import Mode, as_mode
from core.reading import read_text
from core.store import files
from core.store.json_values import mapping_of, text_of
from core.store.paths import RunPaths
from core.store.runs import read_meta
from core.text import clean

_ID_LIMIT = 64
_TAG_LIMIT = 64


@dataclass(frozen=True)
class About:
    """A run as trackers name it. `id` is derived from the run's and the same in every attempt.

    `config` holds the experiment and, under `labtui`, the run's id and its parent's.
    """

    id: str
    name: str
    project: str
    group: str
    tags: tuple[str, ...]
    note: str
    metric: str
    metric_mode: Mode
    config: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def describe(run: RunPaths, log: dict[str, Any]) -> About:
    """Read it from the run's folder; what cannot be read is left out. `log` is the run's log section."""
    spec = files.peek_json(run.spec) or {}
    meta = read_meta(run)
    text = _config_text(run)
    config = _experiment(run, text)
    model = text_of(config.get("model")) or text_of(spec.get("model"))
    mode = text_of(config.get("mode")) or "full"
    parent, code = mapping_of(spec.get("parent")), mapping_of(spec.get("code"))
    tags = dict.fromkeys((*config.get("tags", ()), *meta["tags"]))
    about_run = {
        "run": run.id,
        "config": text_of(spec.get("config")),
        "version": text_of(code.get("version")),
        "git": text_of(code.get("git")),
        "parent": text_of(parent.get("run")),
        "parent_checkpoint": text_of(parent.get("checkpoint")),
    }
    return About(
        id=tracker_id(run.id),
        name=meta["name"] or f"{text_of(spec.get('config')) or 'run'}-{run.id.rsplit('-', 1)[-1]}",
        project=text_of(log.get("project")) or model_name(model),
        group=mode,
        tags=tuple(tag[:_TAG_LIMIT] for tag in tags if tag),
        note=meta["note"],
        metric=text_of(spec.get("metric")),
        metric_mode=as_mode(spec.get("metric_mode"), text_of(spec.get("metric"))),
        config={**config, "labtui": {key: value for key, value in about_run.items() if value}},
        text=clean(text, newlines=True),
    )


def log_section(run: RunPaths) -> dict[str, Any]:
    """The run's `log` settings as plain values: those in spec.json, else those in its config."""
    stored = (files.peek_json(run.spec) or {}).get("log")
    if isinstance(stored, dict):
        return stored
    text = _config_text(run)
    return mapping_of(_experiment(run, text).get("log"))


def model_name(model: str) -> str:
    """The name of a network: the user's own is called like its file."""
    return PurePath(model.rpartition(":")[0]).stem if is_code(model) else model or "labtui"


def tracker_id(run_id: str) -> str:
    """A run's id at W&B: its own, with the end replaced by a digest where it is longer than W&B takes."""
    if len(run_id) <= _ID_LIMIT:
        return run_id
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:12]
    return f"{run_id[: _ID_LIMIT - len(digest) - 1]}-{digest}"


def flattened(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted keys; lists as text."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _config_text(run: RunPaths) -> str:
    try:
        return read_text(run.config)
    except UnreadableError:
        return ""


def _experiment(run: RunPaths, text: str) -> dict[str, Any]:
    """The run's settings as plain values; empty when its config cannot be read."""
    from core.config.load import parse_experiment, plain

    try:
        return mapping_of(plain(parse_experiment(text, run.config)))
    except ConfigError:
        return {}
