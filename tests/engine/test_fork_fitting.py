"""A fork whose network or data cannot take its parent's weights is refused before there is a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.config.load import apply_overrides, dump, parse_experiment
from core.engine.fitting import try_fork
from core.errors import CheckpointError, LabError
from core.launch import control
from core.store.paths import RunPaths


@pytest.fixture
def tried(lab: Any, tmp_path: Path) -> Any:
    """`tried(overrides)`: the sentence that refuses such a fork, empty when it fits."""
    parent = lab.train("epochs=1")

    def of(*overrides: str) -> str:
        stored = parse_experiment(parent.config.read_text(), parent.config)
        config = tmp_path / "fork.yaml"
        config.write_text(dump(apply_overrides(stored, overrides)))
        changed = any(text.startswith("data") for text in overrides)
        try:
            try_fork(
                config, parent, "a01-e0001", data_changed=changed, model_changed="model" in str(overrides)
            )
        except LabError as error:
            return str(error)
        return ""

    return of


def test_what_fits_and_what_does_not(tried: Any) -> None:
    assert tried("learning_rate=1e-4") == ""
    assert tried("data.classes=[class2, class0, class1]") == ""
    assert tried("data.classes=[class1, class2]") == "", "a class less: the others go on"
    assert "does not fit this model" in tried("model=tinyvgg_d")
    assert "does not fit this model" in tried("model=resnet18")
    assert "mouse" in tried("data.classes=[class1, mouse]")
    assert "/nowhere" in tried("data.root=/nowhere")


def test_no_run_is_made_of_a_fork_that_cannot_fit(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "dispatch", lambda: [])
    parent = lab.train("epochs=1")

    def runs() -> set[str]:
        return {path.name for path in lab.workspace.runs.iterdir() if RunPaths(path).spec.exists()}

    before = runs()
    with pytest.raises(CheckpointError, match=r"nothing was started: .*does not fit this model"):
        control.resume_run(lab.workspace, parent, overrides=["model=tinyvgg_d"], more=1)
    assert runs() == before
    order, told = ["data.classes=[class1, class0, class2]"], list[str]()
    fork = control.resume_run(lab.workspace, parent, overrides=order, more=1, tell=told.append)
    assert runs() == before | {fork.id}
    assert told == [
        "the checkpoint has the same classes in another order: its outputs were rearranged by name"
    ]
