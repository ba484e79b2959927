"""SIGKILL while checkpoints are measured: run again, every row is there once, as if undisturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from typing import Any

import numpy as np
import pytest

from core.config.workspace import Workspace
from core.evaluate.plan import plan_measure
from core.launch.jobs import stop_job
from core.store.files import read_json
from core.store.jobs import create_job, read_job
from core.store.paths import JobPaths, RunPaths
from core.store.process import from_json, send
from core.store.records import ENDED
from core.store.state import derive_state
from tests.process.process_tools import Forker, config_run, until

pytestmark = pytest.mark.usefixtures("shared_homes")

SOAK = bool(os.environ.get("LABTUI_SOAK"))
KILLS = 100 if SOAK else 6
EPOCHS = 4
SPLITS = ("train", "val", "test")
CONFIG = """\
data: {format: synthetic, root: ../pictures, synthetic: {images: 160, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 4
batch: 16
learning_rate: 0.01
augment: {hflip: true, tta: [hflip]}
device: cpu
threads: 1
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, forker: Forker, module_homes: object) -> RunPaths:
    """A finished run whose measures are forgotten."""
    root = tmp_path_factory.mktemp("lab")
    (root / "configs").mkdir()
    (root / "configs" / "tiny.yaml").write_text(CONFIG)
    made = config_run(Workspace(root), "tiny")
    forker.start(made)
    until(lambda: derive_state(made).state in ENDED, "the run ends")
    state = derive_state(made)
    assert state.state == "finished", (state.reason, made.attempt(1).log.read_text()[-2000:])
    forget(made)
    return made


@pytest.fixture(scope="module")
def reference(run: RunPaths, forker: Forker) -> tuple[dict[str, Any], float]:
    """What an undisturbed measure leaves, and the seconds it took."""
    began = time.monotonic()
    job = measure(run, forker)
    until(lambda: ended(job), "the reference job ends")
    took = time.monotonic() - began
    assert read_job(job).state == "finished", job.log.read_text()[-2000:]
    whole = left(run)
    assert len(whole) == 2 * EPOCHS * len(SPLITS)
    forget(run)
    return whole, took


def measure(run: RunPaths, forker: Forker) -> JobPaths:
    """Ask for all checkpoints on all splits, four images at a time, and start it."""
    workspace = Workspace(run.root.parents[1])
    job = create_job(run, "measure", plan_measure(workspace, run, splits=SPLITS, batch=4).content)
    forker.start(run, job)
    return job


def forget(run: RunPaths) -> None:
    for folder in (run.measures, run.predictions):
        shutil.rmtree(folder)
        folder.mkdir()


def ended(job: JobPaths) -> bool:
    return read_job(job).state in ENDED


def process_of(job: JobPaths) -> dict[str, Any] | None:
    return (read_json(job.start) or {}).get("trainer")


def left(run: RunPaths) -> dict[str, Any]:
    """Every file of measures and predictions: bytes, or arrays by their form and bytes."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in run.measures.glob("[!.]*")}
    for path in run.predictions.glob("[!.]*"):
        with np.load(path, allow_pickle=False) as saved:
            found[path.name] = {
                name: (saved[name].dtype, saved[name].shape, saved[name].tobytes()) for name in saved.files
            }
    return found


@pytest.mark.parametrize("target", ["process", "both"])
def test_kills_leave_every_row_once_and_equal(
    target: str, run: RunPaths, forker: Forker, reference: tuple[dict[str, Any], float]
) -> None:
    whole, seconds = reference
    rng = random.Random(f"{target}-{os.environ.get('LABTUI_SOAK', '')}")
    dealt = 0
    kept_rows = 0
    while dealt < KILLS // 2:
        forget(run)
        while True:
            before = left(run)
            job = measure(run, forker)
            until(lambda job=job: process_of(job) or ended(job), "the process starts")
            time.sleep(rng.uniform(0, seconds))  # the random moment of the kill
            hit = kill(job, target)
            dealt += hit
            until(lambda job=job: ended(job), "the job has ended")
            after = left(run)
            assert before.keys() <= after.keys()
            assert {name: whole[name] for name in after} == after
            kept_rows += len(before)
            if read_job(job).state == "finished":
                break
            assert read_job(job).state in ("failed", "lost"), read_job(job).reason
        assert left(run) == whole
        assert not [path for folder in (run.measures, run.predictions) for path in folder.glob(".*")]
    assert kept_rows, "no kill came half-way: make the job longer"


def kill(job: JobPaths, target: str) -> int:
    """SIGKILL the measuring process (and its supervisor); 1 when it still ran."""
    process = from_json(process_of(job))
    supervisor = from_json((read_json(job.start) or {}).get("supervisor"))
    hit = False
    if target == "both" and supervisor is not None:
        hit = send(supervisor, signal.SIGKILL)
    if process is not None:
        hit = send(process, signal.SIGKILL) or hit
    return int(hit)


def test_a_stopped_measure_goes_on_where_it_was(
    run: RunPaths, forker: Forker, reference: tuple[dict[str, Any], float]
) -> None:
    whole, _ = reference
    forget(run)
    job = measure(run, forker)
    until(lambda: any(run.measures.glob("*.json")), "the first row is there")
    stop_job(job)
    until(lambda: ended(job), "the job stops")
    state = read_job(job)
    assert state.state in ("stopped", "finished")
    first = {row["checkpoint"] + row["split"] for row in state.result["rows"]}
    again = measure(run, forker)
    until(lambda: ended(again), "the second job ends")
    rows = read_job(again).result["rows"]
    assert {row["checkpoint"] + row["split"] for row in rows if not row["new"]} == first
    assert len(rows) == EPOCHS * len(SPLITS)
    assert left(run) == whole
