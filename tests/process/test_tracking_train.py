"""Training with trackers that hang, raise, die or work: the same weights, and nobody waits for them."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core.config.load import dump, load_experiment
from core.config.workspace import Workspace
from core.store.attempts import read_attempt
from core.store.checkpoints import choose
from core.store.locks import is_run_locked
from core.store.paths import RunPaths
from core.store.runs import create_run
from core.store.state import derive_state

ROOT = Path(__file__).parents[2]
CONFIG = """\
data: {format: synthetic, root: ../pictures, synthetic: {images: 90, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 2
batch: 8
device: cpu
threads: 1
"""
# A package called wandb that does what the project's name says.
FAKE = """
import os, time
class Error(Exception): pass
class Settings:
    model_fields = {}
class Run:
    dir, starting_step, summary = "/nowhere/files", 0, {}
    def __init__(self, how, folder): self.how, self.folder = how, folder
    def define_metric(self, *a, **k): pass
    def log(self, values, step):
        if self.how == "dies": os._exit(9)
        if self.how == "raises": raise RuntimeError("broken")
    def finish(self, exit_code):
        with open(self.folder + "/finished", "w") as file: file.write(str(exit_code))
def init(project, dir, **arguments):
    if project == "hangs": time.sleep(600)
    return Run(project, dir)
"""


@dataclass(frozen=True)
class Lab:
    """A workspace whose runs are started by a fork server that has the fake wandb on its path."""

    workspace: Workspace
    socket: Path

    def train(self, wandb: str, how: str) -> RunPaths:
        """Train to the end, with a tracker or none; returns when the supervisor has ended."""
        loaded = load_experiment(self.workspace.configs / "tiny.yaml", workspace=self.workspace)
        run = create_run(
            self.workspace,
            config_name=loaded.name,
            config_text=dump(loaded.experiment),
            model=loaded.experiment.model,
            metric="val/accuracy",
            metric_mode="max",
            total_epochs=loaded.experiment.epochs,
            argv=["labtui", "train"],
            log={"wandb": wandb, "tensorboard": False, "project": how},
        )
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            connection.sendall(json.dumps({"run": str(run.root), "request": 1}).encode() + b"\n")
            connection.makefile().readline()
        until(lambda: run.attempt(1).exit.exists(), "the attempt's end")
        until(lambda: not is_run_locked(run, "sup"), "the supervisor's end", 5)
        return run


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def trackers(run: RunPaths) -> list[psutil.Process]:
    """Sidecars of a run that still live."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "core.tracking" in line and str(run.root) in line and "--to" not in line:
            found.append(process)
    return found


def weights(run: RunPaths) -> str:
    """One hash over all weights of the last checkpoint."""
    model = torch.load(choose(run, "last").file, weights_only=True)["model"]
    digest = hashlib.sha256()
    for name, tensor in sorted(model.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("tracked")
    site = root / "site"
    (site / "wandb").mkdir(parents=True)
    (site / "wandb" / "__init__.py").write_text(FAKE)
    (site / "wandb-99.dist-info").mkdir()
    (site / "wandb-99.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 99\n")
    for folder in ("configs", "runs"):
        (root / folder).mkdir()
    (root / "configs" / "tiny.yaml").write_text(CONFIG)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{site}",
        "XDG_STATE_HOME": str(root / "state"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "LABTUI_CPU_SLOTS": "2",
    }
    script = Path(__file__).with_name("fork_server.py")
    server = subprocess.Popen([sys.executable, "-P", str(script), str(root / "s")], env=environment)
    until((root / "s").exists, "the fork server listens")
    yield Lab(Workspace(root), root / "s")
    server.kill()
    server.wait()


@pytest.fixture(autouse=True)
def same_state(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe the same locks as the server's children."""
    monkeypatch.setenv("XDG_STATE_HOME", str(lab.workspace.root / "state"))


@pytest.fixture(scope="module")
def untracked(lab: Lab) -> str:
    """Weights of a run without trackers."""
    return weights(lab.train("off", ""))


@pytest.mark.parametrize("how", ["hangs", "raises", "dies", "works"])
def test_whatever_a_tracker_does_training_is_the_same(how: str, lab: Lab, untracked: str) -> None:
    run = lab.train("offline", how)
    living = trackers(run)
    try:
        assert derive_state(run).state == "finished"
        assert read_attempt(run, 1).code == 0
        assert weights(run) == untracked
        if how == "hangs":
            assert len(living) == 1, "nobody waited for it"
            return
        until(lambda: not trackers(run), "the sidecar's end", 30)
        log = run.attempt(1).log.read_text()
        assert ("RuntimeError: broken" in log) == (how == "raises")
        assert (run.tracking / "finished").exists() == (how == "works")
        if how == "works":
            assert (run.tracking / "finished").read_text() == "0", "what came last was sent before it ended"
    finally:
        for process in living:
            if process.is_running():
                process.kill()
