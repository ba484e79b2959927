"""SIGKILL at random moments: nothing unreadable, every epoch once, the same bits as undisturbed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from core.config.workspace import Workspace
from core.launch.control import stop_run
from core.store.attempts import numbers
from core.store.catalogue import list_runs
from core.store.checkpoints import choose, list_checkpoints, newest_good, verify
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.paths import RunPaths
from core.store.process import from_json, send
from core.store.records import ENDED
from core.store.runs import add_request, requests
from core.store.state import derive_state
from tests.process.process_tools import Forker, config_run, until

pytestmark = pytest.mark.usefixtures("shared_homes")

EPOCHS = 4
SOAK = bool(os.environ.get("LABTUI_SOAK"))
KILLS = 200 if SOAK else 8
CONFIG = """\
data: {format: synthetic, root: ../pictures, synthetic: {images: 90, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 4
batch: 8
learning_rate: 0.01
augment: {pad_crop: 4, hflip: true}
scheduler: {name: plateau, patience: 0, factor: 0.5}
device: cpu
threads: 1
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one config; its pictures and pixel cache are made by the first run."""
    root = tmp_path_factory.mktemp("lab")
    (root / "configs").mkdir()
    (root / "runs").mkdir()
    (root / "configs" / "tiny.yaml").write_text(CONFIG)
    return Workspace(root)


def ended(run: RunPaths) -> bool:
    return derive_state(run).state in ENDED


def trainer_of(run: RunPaths) -> dict[str, object] | None:
    """The trainer of the newest request, once it is recorded."""
    found = numbers(run)
    started = read_json(run.attempt(max(found)).start) if found else None
    if not started or started["request"] != requests(run)[-1].number:
        return None
    return started["trainer"]


def weights(run: RunPaths) -> str:
    """One hash over weights, buffers and momentum of the last checkpoint."""
    content = torch.load(choose(run, "last").file, weights_only=True)
    digest = hashlib.sha256()

    def feed(value: object) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(value.contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key in value:
                digest.update(str(key).encode())
                feed(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                feed(item)

    feed(content["model"])
    feed(content["optimizer"])
    return digest.hexdigest()


def epoch_rows(run: RunPaths) -> list[dict[str, float]]:
    """The current epoch records without what depends on the clock or the attempt."""
    keep = ("epoch", "step", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr")
    return [{key: row[key] for key in keep} for row in read_history(run.metrics).epochs]


def checkpoints_are_whole(run: RunPaths) -> None:
    for checkpoint in list_checkpoints(run):
        assert verify(checkpoint) is None
        torch.load(checkpoint.file, weights_only=True)


def finish(forker: Forker, run: RunPaths) -> None:
    """Resume until nothing is left to do, as a user would."""
    while derive_state(run).state != "finished":
        last = newest_good(run)
        add_request(run, last.id if last else None, EPOCHS)
        forker.start(run)
        until(lambda: ended(run), "the run ends undisturbed")
        assert derive_state(run).state == "finished", derive_state(run).reason


@pytest.fixture(scope="module")
def reference(lab: Workspace, forker: Forker, module_homes: object) -> tuple[RunPaths, float]:
    """An undisturbed run and the seconds it took."""
    run = config_run(lab, "tiny")
    began = time.monotonic()
    forker.start(run)
    until(lambda: ended(run), "the reference run ends")
    state = derive_state(run)
    assert state.state == "finished", (state.reason, run.attempt(1).log.read_text()[-2000:])
    return run, time.monotonic() - began


@pytest.mark.parametrize("target", ["trainer", "supervisor", "both"])
def test_kills_leave_no_trace(
    target: str, lab: Workspace, forker: Forker, reference: tuple[RunPaths, float]
) -> None:
    whole, seconds = reference
    rng = random.Random(f"{target}-{os.environ.get('LABTUI_SOAK', '')}")
    dealt = 0
    wanted = -(-KILLS // 3)
    while dealt < wanted:
        run = config_run(lab, "tiny")
        supervisor = forker.start(run)
        for _ in range(4):
            until(lambda run=run: trainer_of(run) or ended(run), "a trainer starts")
            time.sleep(rng.uniform(0, seconds))  # the random moment of the kill
            trainer = from_json(trainer_of(run))
            assert trainer is not None
            hit = False
            if target in ("supervisor", "both"):
                try:
                    os.kill(supervisor, signal.SIGKILL)
                    hit = True
                except ProcessLookupError:
                    pass
            if target in ("trainer", "both"):
                hit = send(trainer, signal.SIGKILL) or hit
            dealt += hit
            until(lambda run=run: ended(run), "the run has ended")
            checkpoints_are_whole(run)
            if derive_state(run).state == "finished":
                break
            last = newest_good(run)
            add_request(run, last.id if last else None, EPOCHS)
            supervisor = forker.start(run)
        until(lambda run=run: ended(run), "the last attempt ends")
        finish(forker, run)
        checkpoints_are_whole(run)
        assert [row["epoch"] for row in epoch_rows(run)] == list(range(1, EPOCHS + 1))
        assert epoch_rows(run) == epoch_rows(whole)
        assert weights(run) == weights(whole)
        assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]


def test_a_killed_starter_leaves_a_whole_run_or_none(
    lab: Workspace, forker: Forker, reference: tuple[RunPaths, float], tmp_path: Path
) -> None:
    """Whoever starts a run (screens or command, the same call) may die at any moment of it."""
    whole, _ = reference
    workspace = Workspace(tmp_path / "killed")
    (workspace.root / "configs").mkdir(parents=True)
    pictures = lab.root / "pictures"
    (workspace.configs / "tiny.yaml").write_text(CONFIG.replace("../pictures", str(pictures)))
    script = Path(__file__).with_name("forked_labtui.py")
    command = [sys.executable, "-P", str(script), "--workspace", str(workspace.root)]
    environment = {**os.environ, "FORK_SERVER": str(forker.path)}

    def labtui(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, *words], env=environment, stderr=subprocess.DEVNULL)

    began = time.monotonic()
    assert labtui("train", "--config", "tiny", "--new").wait(180) == 0
    took = time.monotonic() - began
    rng = random.Random(f"starter-{os.environ.get('LABTUI_SOAK', '')}")
    for _ in range(40 if SOAK else 3):
        starter = labtui("train", "--config", "tiny", "--new")
        time.sleep(rng.uniform(0, took))  # the random moment of the kill
        starter.kill()
        starter.wait()
    runs = list_runs(workspace)
    assert runs
    for run in runs:
        assert read_json(run.spec) is not None
        assert len(requests(run)) == 1
        assert derive_state(run).state not in ("failed", "lost")
    while not all(ended(run) for run in runs):
        assert labtui("dispatch").wait(180) == 0
        time.sleep(0.05)
    for run in runs:
        assert derive_state(run).state == "finished", derive_state(run).reason
        assert numbers(run) == [1]
        assert epoch_rows(run) == epoch_rows(whole)
        assert weights(run) == weights(whole)


def test_stop_and_resume_within_an_epoch_is_exact(
    lab: Workspace, forker: Forker, reference: tuple[RunPaths, float]
) -> None:
    whole, _ = reference
    run = config_run(lab, "tiny")
    forker.start(run)
    until(lambda: len(read_history(run.metrics).epochs) >= 1, "the first epoch ends")
    stop_run(run)
    until(lambda: ended(run), "the run stops")
    assert derive_state(run).state == "stopped"
    assert list_checkpoints(run), "a stop saves first"
    finish(forker, run)
    assert epoch_rows(run) == epoch_rows(whole)
    assert weights(run) == weights(whole)


def test_a_finished_run_has_nothing_to_do(lab: Workspace, forker: Forker) -> None:
    """A trainer that died between its last checkpoint and result.json: the next one only says so."""
    run = config_run(lab, "tiny")
    forker.start(run)
    until(lambda: ended(run), "the run ends")
    until(run.attempt(1).exit.exists, "the supervisor notes the exit")
    run.attempt(1).result.unlink()
    until(lambda: derive_state(run).state == "failed", "the supervisor has gone")
    before = (run.metrics.read_bytes(), sorted(path.name for path in run.checkpoints.iterdir()))
    add_request(run, choose(run, "last").id, EPOCHS)
    forker.start(run)
    until(lambda: ended(run), "the second attempt ends")
    assert derive_state(run).state == "finished"
    assert before == (run.metrics.read_bytes(), sorted(path.name for path in run.checkpoints.iterdir()))
