"""Disk use, measure rows and the documents that show them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.store import files, jobs
from core.store.attempts import begin_attempt
from core.store.checkpoints import save_files
from core.store.json_documents import show_document
from core.store.measures import measures
from core.store.paths import RunPaths
from core.store.runs import create_run
from core.store.usage import run_usage

EVIL = "\x1b]52;c;aGk=\x07\x9b2J\u202e"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return create_run(
        Workspace(tmp_path),
        config_name="demo",
        config_text="epochs: 5\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=5,
        argv=[],
    )


def test_links_count_once(run: RunPaths, tmp_path: Path) -> None:
    before = run_usage(run)
    (run.checkpoints / "a01-e0001.pt").write_bytes(b"x" * 1000)
    os.link(run.checkpoints / "a01-e0001.pt", run.root / "again.pt")
    (tmp_path / "outside").write_bytes(b"y" * 500)
    os.link(tmp_path / "outside", run.checkpoints / "a00-e0001.pt")
    (run.predictions / "p.npz").write_bytes(b"z" * 30)
    (run.root / "link").symlink_to(tmp_path)
    found = run_usage(run)
    link = len(str(tmp_path))
    assert found.bytes - before.bytes == 1000 + 500 + 30 + link
    assert found.checkpoints == 1500
    assert found.freed - before.freed == 1000 + 30 + link, "the other name of the linked file stays"


def test_usage_is_what_du_says(run: RunPaths) -> None:
    for number in range(5):
        (run.measures / f"{number}.json").write_bytes(b"{}" * number)
    total = sum(path.stat().st_size for path in run.root.rglob("*") if path.is_file())
    found = run_usage(run)
    assert (found.bytes, found.freed, found.checkpoints) == (total, total, 0)


def test_a_run_that_is_gone(tmp_path: Path) -> None:
    assert run_usage(RunPaths(tmp_path / "gone")).bytes == 0
    assert measures(RunPaths(tmp_path / "gone")) == []


ROW = {
    "checkpoint": "a01-e0001",
    "sha256": "0" * 64,
    "split": "val",
    "settings": {"tta": ["hflip"]},
    "n": 10,
    "loss": "NaN",
    "accuracy": 0.5,
    "accuracy_tta": 0.6,
    "per_class": [{"class": "a", "n": 10}],
}


def test_measure_rows(run: RunPaths) -> None:
    files.write_json(run.measures / "a01-e0001-val.json", ROW)
    files.write_json(run.measures / "a01-e0001-test-0badcafe.json", {**ROW, "split": "test"})
    files.write_json(run.measures / "a01-e0002-s000015-val.json", {**ROW, "checkpoint": "a01-e0002-s000015"})
    for name in ("a01-e0003-val.json", "notes.json", "a01-e0001-val.npz"):
        files.write_json(run.measures / name, ROW)
    (run.measures / "a01-e0004-val.json").write_bytes(b"{torn")
    found = measures(run)
    assert [(row.checkpoint, row.split, row.key) for row in found] == [
        ("a01-e0001", "test", "0badcafe"),
        ("a01-e0001", "val", ""),
        ("a01-e0002-s000015", "val", ""),
    ]
    row = found[1]
    assert (row.images, row.sha256, row.settings) == (10, "0" * 64, {"tta": ["hflip"]})
    assert (row.metrics["accuracy"], row.metrics["accuracy_tta"]) == (0.5, 0.6)
    assert set(row.metrics) == {"loss", "accuracy", "accuracy_tta"}
    assert row.per_class == ({"class": "a", "n": 10},)


def test_show_has_it_all(run: RunPaths) -> None:
    card = {"index": 1, "name": f"A100{EVIL}", "bus_id": "00:01.0", "uuid": "GPU-1", "more": 1}
    begin_attempt(run, 1, slot="gpu1/0", threads=1, gpu=card)
    sidecar = {"attempt": 1, "epoch": 1, "step": 1, "metrics": {}, "mid_epoch": False}
    save_files(run, "a01-e0001", b"x" * 100, sidecar)
    files.write_json(run.measures / "a01-e0001-val.json", {**ROW, EVIL: 1.0, "settings": {"data": EVIL}})
    files.write_json(run.model, {"parameters": 5, "layers": [{"name": EVIL, "shape": [1, 2]}]})
    job = jobs.create_job(run, "measure", {"at": [EVIL]})
    jobs.write_progress(job, 1, 2, EVIL)
    shown = show_document(run)
    assert shown["model"] == "tinyvgg_a"
    assert (shown["model_summary"]["parameters"], shown["model_summary"]["layers"][0]["shape"]) == (5, [1, 2])
    assert (shown["gpu"]["index"], shown["gpu"]["bus_id"], shown["slot"]) == (1, "00:01.0", "gpu1/0")
    assert shown["disk"]["checkpoints_bytes"] == 100 + (run.checkpoints / "a01-e0001.json").stat().st_size
    assert shown["disk"]["bytes"] > shown["disk"]["checkpoints_bytes"]
    (measured,) = shown["measures"]
    assert (measured["checkpoint"], measured["split"]) == ("a01-e0001", "val")
    assert measured["metrics"]["accuracy"] == 0.5
    assert measured["metrics"]["loss"] == "NaN"
    assert [(item["name"], item["state"], item["done"], item["total"]) for item in shown["jobs"]] == [
        ("measure-0001", "queued", 1, 2)
    ]
    text = str(shown)
    assert not any(char in text for char in "\x1b\x07\x9b\u202e")
    assert "\\x1b" not in text


def test_show_marks_what_could_not_be_read(run: RunPaths) -> None:
    """By the newest job that tried: a file that was put back is fine again."""
    for epoch in (1, 2, 3):
        place = {"attempt": 1, "epoch": epoch, "step": epoch}
        sidecar: dict[str, Any] = {**place, "metrics": {}, "mid_epoch": False}
        save_files(run, f"a01-e000{epoch}", b"x", sidecar)

    def measure(rows: list[int], failed: list[int]) -> None:
        job = jobs.create_job(run, "measure", {})
        reasons = [{"checkpoint": f"a01-e000{epoch}", "reason": f"torn{EVIL}"} for epoch in failed]
        done = [{"checkpoint": f"a01-e000{epoch}", "split": "val"} for epoch in rows]
        files.write_json(job.result, {"status": "finished", "rows": done, "unreadable": reasons})

    measure([1], [2, 3])
    measure([2], [])
    shown = [(item["id"], item["unreadable"]) for item in show_document(run)["checkpoints"]]
    assert shown[:2] == [("a01-e0001", None), ("a01-e0002", None)]
    assert shown[2][1].startswith("torn␛]52")
    broken = jobs.create_job(run, "measure", {})
    files.write_json(broken.result, {"status": "finished", "rows": [7], "unreadable": "x"})
    assert show_document(run)["checkpoints"][2]["unreadable"]
