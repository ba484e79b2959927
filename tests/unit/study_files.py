"""Runs that have ended, as if they had been trained, and a study of them."""

from __future__ import annotations

import json
from pathlib import Path

from core.config.load import dump, load_experiment
from core.config.resolve_defaults import resolve_metric
from core.config.schema import Experiment
from core.config.workspace import Workspace
from core.metrics import mode_of
from core.store.attempts import record_attempt
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run

BASE = "data: {format: synthetic, root: /nowhere}\nmodel: tinyvgg_a\nepochs: 3\n"
STUDY = """base: base
seeds: 2
columns: [val/loss]
trials: [{name: slow, learning_rate: 0.01}, {name: fast, learning_rate: 0.1}]
"""


def workspace_at(root: Path) -> Workspace:
    """A workspace with a config and a study of two trials."""
    (root / "configs" / "studies").mkdir(parents=True)
    (root / "configs" / "base.yaml").write_text(BASE)
    (root / "configs" / "studies" / "s.yaml").write_text(STUDY)
    return Workspace(root)


def made(
    workspace: Workspace,
    experiment: Experiment,
    values: list[float],
    *,
    status: str = "finished",
    name: str = "",
    tags: tuple[str, ...] = (),
    parent: dict[str, str] | None = None,
    epochs: int = 3,
) -> RunPaths:
    """A run that has ended with these validation accuracies, as if it had been trained."""
    metric = resolve_metric(experiment)

    def prepare(new: RunPaths) -> None:
        with MetricsWriter(new.metrics) as writer:
            for epoch, value in enumerate(values, 1):
                row = {"val/accuracy": value, "val/loss": 1 - value, "time/epoch": 60.0}
                writer.write({"t": 1.0, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch", **row})
        split = {"class_names": ["x"], "splits": {"val": {"paths": ["1.png"], "labels": [0], "sizes": [1]}}}
        new.split.write_text(json.dumps(split))
        if status:
            record_attempt(new, status, epoch=len(values), step=len(values), started=1.0, ended=2.0)

    return create_run(
        workspace,
        config_name="base",
        config_text=dump(experiment),
        model=experiment.model,
        metric=metric,
        metric_mode=mode_of(metric),
        total_epochs=epochs,
        argv=["labtui"],
        name=name,
        tags=tags,
        parent=parent,
        prepare=prepare,
    )


def settings(workspace: Workspace, *words: str) -> Experiment:
    return load_experiment("base", list(words), workspace=workspace).experiment
