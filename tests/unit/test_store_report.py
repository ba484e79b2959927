from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.launch.model_files import inherited_code
from core.launch.slots import Need
from core.launch.work_item import Work
from core.store import files
from core.store.attempts import attempts, begin_attempt, write_exit
from core.store.catalogue import Catalogue, find_run
from core.store.checkpoints import choose, newest_good, save_files, verify
from core.store.jobs import create_job, list_jobs
from core.store.json_documents import list_document, metrics_document, show_document
from core.store.logs import tail_log
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import FORMAT, RunPaths
from core.store.retention import prune
from core.store.runs import add_request, change_meta, create_run, requests
from core.store.state import derive_state

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def create(lab: Workspace, **more: Any) -> RunPaths:
    given: dict[str, Any] = {
        "config_name": "tiny",
        "config_text": "epochs: 5\n",
        "model": "tinyvgg_v4",
        "metric": "val/accuracy",
        "metric_mode": "max",
        "total_epochs": 5,
        "argv": [],
    }
    return create_run(lab, **{**given, **more})


@pytest.fixture(params=range(1, FORMAT + 1))
def golden(lab: Workspace, request: pytest.FixtureRequest) -> tuple[RunPaths, dict[str, Any]]:
    """A run as each format so far was written, and the documents it gives."""
    name = f"run-format{request.param}"
    run = RunPaths(lab.runs / name)
    shutil.copytree(GOLDEN / name, run.root)
    return run, json.loads((GOLDEN / f"{name}.expected.json").read_text())


def test_old_runs_open_for_ever(lab: Workspace, golden: tuple[RunPaths, dict[str, Any]]) -> None:
    run, expected = golden
    shown = show_document(run)
    for checkpoint in shown["checkpoints"]:
        path = Path(checkpoint["file"])
        assert path.parent == run.checkpoints
        checkpoint["file"] = path.name
        assert checkpoint.pop("unreadable") is None
    assert {key: shown[key] for key in expected["show"]} == expected["show"]
    assert {key: shown[key] for key in shown.keys() - expected["show"].keys()} == {
        "archived": False,
        "disk": {"bytes": 5967, "checkpoints_bytes": 1454},
        "early_stop": None,
        "finished_at": None,
        "gpu": None,
        "imported": False,
        "jobs": [],
        "measures": [
            {
                "checkpoint": "a02-e0003",
                "split": "val",
                "metrics": {"accuracy": 0.5625, "loss": 0.85},
                "images": 10,
                "settings": {},
                "key": "",
                "intervals": None,
            }
        ],
        "mode": "",
        "problems": [],
        "model_summary": None,
        "slot": "cpu0",
    }
    assert metrics_document(run) == expected["metrics"]
    assert find_run(lab, "golden").id == run.id
    assert [found.id for found in Catalogue(lab).refresh()] == [run.id]


def test_a_run_with_jobs_opens_for_ever(lab: Workspace) -> None:
    """Jobs, retention, a network of the user's own, a GPU, an early end: all of it format 1."""
    run = RunPaths(lab.runs / "run-format1-jobs")
    shutil.copytree(GOLDEN / run.id, run.root)
    expected = json.loads((GOLDEN / f"{run.id}.expected.json").read_text())
    shown = show_document(run)
    for checkpoint in shown["checkpoints"]:
        checkpoint["file"] = Path(checkpoint["file"]).name
    for row in shown["measures"]:
        assert row.pop("intervals") is None
    assert shown == expected["show"]
    assert metrics_document(run) == expected["metrics"]
    assert [(job.name, job.state, job.asked["visible"]) for job in list_jobs(run)] == [
        ("measure-0001", "finished", "0,1"),
        ("measure-0002", "failed", "0,1"),
        ("predict-0001", "stopped", "0,1"),
    ]
    assert inherited_code(run) == ("net.py", (run.code / "net.py").read_bytes())
    assert Work(run, 1).need() == Need("cuda", (1,), "0,1")
    assert prune(run, 1) == [], "pinned, best, newest"
    change_meta(run, lambda _: {"name": "again"})
    assert create_job(run, "measure", {}).number == 3


def test_an_old_run_is_read_in_every_part(golden: tuple[RunPaths, dict[str, Any]]) -> None:
    run, _ = golden
    assert [(r.number, r.start, r.total_epochs, r.stop) for r in requests(run)] == [
        (1, None, 3, True),
        (2, "a01-e0001", 4, False),
    ]
    assert [(a.number, a.request, a.status, a.code) for a in attempts(run)] == [
        (1, 1, "stopped", 0),
        (2, 2, "", 1),
    ]
    assert [choose(run, word).id for word in ("best", "last", "1", "2")] == [
        "a02-e0002",
        "a02-e0003",
        "a01-e0001",
        "a02-e0002",
    ]
    assert all(verify(choose(run, identifier)) is None for identifier in ("a01-e0001", "a01-e0003-s000025"))
    assert newest_good(run) == choose(run, "last")
    assert tail_log(run) == "resume from a01-e0001\nepoch 2\nepoch 3\n"
    assert [(r.attempt, r.epoch, r.step) for r in read_history(run.metrics).resumes] == [(2, 1, 10)]


def test_an_old_run_goes_on(golden: tuple[RunPaths, dict[str, Any]]) -> None:
    run, _ = golden
    change_meta(run, lambda _: {"name": "again"})
    assert add_request(run, "a02-e0003", 4) == 3
    assert derive_state(run).state == "queued"
    assert begin_attempt(run, 3, slot="cpu0", threads=1).number == 3
    with MetricsWriter(run.metrics) as writer:
        writer.write({"resume": "a02-e0003", "attempt": 3, "epoch": 3, "step": 30, "t": 1.0})
    history = read_history(run.metrics)
    assert history.resumes[-1].attempt == 3, "behind the torn line of the golden file"
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert history.steps[-1]["step"] == 30


SHOW = {"id", "name", "state", "reason", "epoch", "epochs", "best", "parent", "checkpoints"}
SHOW_ONLY = {
    "checkpoints",
    "disk",
    "gpu",
    "jobs",
    "measures",
    "model_summary",
    "parent_checkpoint",
    "slot",
}
CHECKPOINT = {"id", "epoch", "step", "file", "bytes", "sha256", "metrics", "pinned"}


def test_the_shapes(lab: Workspace) -> None:
    run = create(lab, parent={"run": "r0", "checkpoint": "a01-e0004"})
    begin_attempt(run, 1, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as writer:
        row = {"t": 1.0, "epoch": 1, "step": 10, "attempt": 1}
        writer.write({**row, "scope": "step", "train/loss": float("inf")})
        writer.write({**row, "scope": "epoch", "val/accuracy": 0.5, "val/loss": float("nan")})
        writer.write({**row, "scope": "final", "test/accuracy": 0.25})
    sidecar = {
        "attempt": 1,
        "epoch": 1,
        "step": 10,
        "metrics": {"val/loss": float("nan")},
        "mid_epoch": False,
    }
    save_files(run, "a01-e0001", b"x", sidecar)
    shown = show_document(run)
    assert set(shown) >= SHOW
    assert set(shown["checkpoints"][0]) >= CHECKPOINT
    assert shown["best"] == {
        "metric": "val/accuracy",
        "value": 0.5,
        "epoch": 1,
        "checkpoint": "a01-e0001",
    }
    assert (shown["parent"], shown["parent_checkpoint"]) == ("r0", "a01-e0004")
    assert shown["checkpoints"][0]["metrics"] == {"val/loss": "NaN"}
    (listed,) = list_document([run])
    assert listed == {key: shown[key] for key in shown.keys() - SHOW_ONLY}
    metrics = metrics_document(run)
    assert set(metrics) >= {"id", "epochs", "steps", "superseded"}
    assert metrics["epochs"][0]["val/loss"] == "NaN"
    assert (metrics["steps"][0]["step"], metrics["steps"][0]["train/loss"]) == (10, "Infinity")
    assert metrics["final"][0]["test/accuracy"] == 0.25
    for document in (shown, listed, metrics):
        json.dumps(document, allow_nan=False)


def test_a_run_without_anything_yet(lab: Workspace) -> None:
    run = create(lab)
    shown = show_document(run)
    assert (shown["state"], shown["epoch"], shown["epochs"], shown["best"]) == ("queued", 0, 5, None)
    assert (shown["parent"], shown["checkpoints"]) == (None, [])
    nothing = {"epochs": [], "steps": [], "superseded": 0, "final": [], "note": ""}
    assert metrics_document(run) == {"id": run.id, **nothing}


def test_nothing_hostile_gets_through(lab: Workspace) -> None:
    """Names, notes, reasons, metrics and parents as another program may have written them."""
    evil = "\x1b]52;c;aGk=\x07\x9b2J\u202e[/oops]"
    run = create(lab)
    spec = json.loads(run.spec.read_text())
    spec |= {"config": evil, "model": evil, "metric": evil, "parent": {"run": evil, "checkpoint": evil}}
    files.write_json(run.spec, spec)
    files.write_json(run.meta, {"name": evil, "note": evil, "tags": [evil]})
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    files.write_json(attempt.error, {"type": evil, "message": evil})
    write_exit(attempt, code=1, signal=None)
    with MetricsWriter(run.metrics) as writer:
        row = {"t": 1.0, "epoch": 1, "step": 1, "attempt": 1}
        writer.write({**row, "scope": "epoch", evil: 1.0})
        writer.write({**row, "scope": "step", evil: 1.0})
    text = json.dumps([show_document(run), metrics_document(run)], ensure_ascii=False)
    assert "[/oops]" in text
    assert not any(char in text for char in "\x1b\x07\x9b\u202e")
    assert "\\u001b" not in text
