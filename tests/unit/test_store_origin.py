"""Work is carried out as where it was asked for: machine, interpreter, environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.launch import work_item
from core.launch.dispatch import dispatch
from core.launch.queue import register
from core.launch.queue_reasons import waiting_reason
from core.launch.work_item import newest, of_job
from core.store import process
from core.store.jobs import create_job
from core.store.origin import counts, origin_of
from core.store.paths import RunPaths
from core.store.runs import create_run

SETTINGS = {"config_name": "c", "config_text": "", "model": "m", "metric": "x", "metric_mode": "max"}


def made(lab: Workspace) -> RunPaths:
    return create_run(lab, total_epochs=1, argv=[], device="cpu", **SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["run", "job"])
def test_another_shells_settings_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.MonkeyPatch.context() as mine:
        mine.setenv("TORCH_HOME", "/mine/torch")
        mine.setenv("PYTHONPATH", "/mine/lib")
        mine.setenv("WANDB_API_KEY", "secret")
        mine.setattr(sys, "executable", str(python))
        run = made(Workspace(tmp_path))
        work = newest(run) if kind == "run" else of_job(create_job(run, "measure", {}))
    assert work is not None
    text = (run.request(1) if work.job is None else work.job.job).read_text()
    assert "secret" not in text
    monkeypatch.setenv("TORCH_HOME", "/other/torch")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("UNRELATED", "stays")
    environment = work.environment({"LABTUI_SLOT": "cpu0"})
    assert environment["TORCH_HOME"] == "/mine/torch"
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(Path(__file__).parents[2]), "/mine/lib"]
    assert "WANDB_MODE" not in environment
    assert (environment["UNRELATED"], environment["LABTUI_SLOT"]) == ("stays", "cpu0")
    assert work.command(run.attempt(1))[0] == str(python)
    python.unlink()
    assert work.command(run.attempt(1))[0] == sys.executable, "what is gone cannot run it"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"asked_by": 3},
        {"asked_by": {"host": "elsewhere", "python": "/evil", "root": "/", "env": {"TORCH_HOME": "x"}}},
    ],
    ids=["older", "odd", "another machine"],
)
def test_what_says_nothing_for_this_machine_changes_nothing(content: dict[str, object]) -> None:
    origin = origin_of(content)
    assert not origin.can_run
    assert origin.environment({"TORCH_HOME": "/here"}) == {"TORCH_HOME": "/here"}


def test_odd_settings_are_passed_over() -> None:
    env = {"TORCH_HOME": 3, "HF_HOME": "a\0b", "PATH": "/evil", "WANDB_API_KEY": "x", "CUDA_CACHE_PATH": "/c"}
    origin = origin_of({"asked_by": {"host": process.host(), "env": env}})
    assert origin.env == {"CUDA_CACHE_PATH": "/c"}
    assert not counts("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize("network", [True, False], ids=["shared home", "own disk"])
def test_what_was_queued_on_another_host_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool
) -> None:
    """On a disk of this machine the host was only renamed, as containers are."""
    lab = Workspace(tmp_path)
    run = made(lab)
    register(lab)
    request = json.loads(run.request(1).read_text())
    request["asked_by"]["host"] = "node7"
    run.request(1).write_text(json.dumps(request))
    monkeypatch.setattr(work_item, "is_network", lambda folder: network)
    started: list[str] = []
    monkeypatch.setattr("core.launch.dispatch._start", lambda work, *_: started.append(work.run.id) or True)
    monkeypatch.setattr("core.launch.dispatch._ensure_waiter", lambda: None)
    dispatch()
    assert started == ([] if network else [run.id])
    if network:
        assert waiting_reason(run) == "it was queued on node7, which starts it: `labtui dispatch` there"
