"""Training with trackers that hang, raise, die or work: the same weights, and nobody waits for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from core.config.workspace import Workspace
from core.store.attempts import read_attempt
from core.store.checkpoints import choose
from core.store.locks import is_run_locked
from core.store.paths import RunPaths
from core.store.state import derive_state
from tests.process.process_tools import Forker, config_run, until

pytestmark = pytest.mark.usefixtures("shared_homes")

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
    """A workspace whose runs are started by a fork server with the fake wandb on the path."""

    workspace: Workspace
    forker: Forker

    def train(self, wandb: str, how: str) -> RunPaths:
        """Train to the end, with a tracker or none; returns when the supervisor has ended."""
        log = {"wandb": wandb, "tensorboard": False, "project": how}
        run = config_run(self.workspace, "tiny", log=log)
        self.forker.start(run)
        until(lambda: run.attempt(1).exit.exists(), "the attempt's end")
        until(lambda: not is_run_locked(run, "sup"), "the supervisor's end", 5)
        return run


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
def lab(tmp_path_factory: pytest.TempPathFactory, forker: Forker, module_homes: object) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("tracked")
    site = root / "site"
    (site / "wandb").mkdir(parents=True)
    (site / "wandb" / "__init__.py").write_text(FAKE)
    (site / "wandb-99.dist-info").mkdir()
    (site / "wandb-99.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 99\n")
    for folder in ("configs", "runs"):
        (root / folder).mkdir()
    (root / "configs" / "tiny.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}:{site}")
        yield Lab(Workspace(root), forker)


@pytest.fixture(scope="module")
def untracked(lab: Lab) -> str:
    """Weights of a run without trackers."""
    return weights(lab.train("off", ""))


@pytest.mark.some(2)
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
