"""What the run screen reads: each file once, and only what has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.store.files import write_json
from core.store.paths import RunPaths
from tui.read import run_detail
from tui.read.activity import Watch
from tui.read.run_detail import DetailReader


@pytest.fixture
def read_rows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of measure rows that were read from disk."""
    names: list[str] = []
    real = run_detail.read_row  # type: ignore[attr-defined]

    def read_row(run: RunPaths, name: str) -> Any:
        names.append(name)
        return real(run, name)

    monkeypatch.setattr(run_detail, "read_row", read_row)
    return names


def test_rows_are_read_once_and_without_their_classes(lab: Any, read_rows: list[str]) -> None:
    run = lab.run(epochs=3)
    for epoch in (1, 2):
        lab.measure(run, f"a01-e000{epoch}")
    reader = DetailReader(run)
    first = reader.read("")
    assert set(first.rows) == {"a01-e0001-val", "a01-e0002-val"}
    assert all(row.per_class == () for row in first.rows.values())
    assert first.classes == ()
    assert reader.read("") is first
    assert len(read_rows) == 2
    lab.measure(run, "a01-e0003")
    assert len(reader.read("").rows) == 3
    assert read_rows[2:] == ["a01-e0003-val.json"]


def test_the_classes_of_the_row_that_is_wanted(lab: Any, read_rows: list[str]) -> None:
    run = lab.run(epochs=2)
    lab.measure(run, "a01-e0002")
    reader = DetailReader(run)
    detail = reader.read("a01-e0002-val")
    assert detail.row == "a01-e0002-val"
    assert [item["class"] for item in detail.classes] == ["cat", "dog", "[bird]", "eel"]
    reader.read("a01-e0002-val")
    assert read_rows == ["a01-e0002-val.json"] * 2
    assert reader.read("a01-e0001-val").row == ""


def test_a_row_that_is_measured_again_is_read_again(lab: Any) -> None:
    run = lab.run(epochs=1)
    lab.measure(run, "a01-e0001", classes={"a": (10, 1)})
    reader = DetailReader(run)
    assert reader.read("a01-e0001-val").rows["a01-e0001-val"].metrics["accuracy"] == 0.1
    lab.measure(run, "a01-e0001", classes={"a": (10, 9)})
    detail = reader.read("a01-e0001-val")
    assert detail.rows["a01-e0001-val"].metrics["accuracy"] == 0.9
    assert detail.classes[0]["correct"] == 9


def test_model_splits_and_disk(lab: Any) -> None:
    run = lab.run(epochs=2)
    reader = DetailReader(run)
    before = reader.read("")
    assert before.model is None
    assert before.splits == ()
    write_json(run.model, {"model": "tiny\x1b[2Jvgg", "parameters": 3, "trainable": 3})
    write_json(run.split, {"splits": {"train": {}, "val": {}}})
    detail = reader.read("")
    assert detail.model is not None
    assert detail.model["model"] == "tiny␛[2Jvgg"
    assert detail.splits == ("train", "val")
    assert detail.usage is not None
    assert detail.usage.bytes > detail.usage.checkpoints >= 14


def test_removed_checkpoints_are_simply_gone(lab: Any) -> None:
    run = lab.run(epochs=3)
    reader = DetailReader(run)
    assert len(reader.read("").checkpoints) == 3
    for name in ("a01-e0001.json", "a01-e0001.pt"):
        (run.checkpoints / name).unlink()
    assert [item.id for item in reader.read("").checkpoints] == ["a01-e0002", "a01-e0003"]


def test_unreadable_until_a_later_job_could_read_it(lab: Any) -> None:
    run = lab.run(epochs=2)
    fault = {"checkpoint": "a01-e0001", "reason": "it has 3 bytes\x1b[2J"}
    lab.job(run, state="finished", unreadable=[fault], rows=[{"checkpoint": "a01-e0002"}])
    reader = DetailReader(run)
    assert reader.read("").unreadable == {"a01-e0001": "it has 3 bytes␛[2J"}
    lab.job(run, state="finished", rows=[{"checkpoint": "a01-e0001"}], unreadable=[])
    assert reader.read("").unreadable == {}


@pytest.mark.parametrize("result", [{"unreadable": 3}, {"unreadable": [4, {}]}, {"rows": "x"}, {"rows": [1]}])
def test_a_job_with_an_odd_result_does_no_harm(lab: Any, result: dict[str, Any]) -> None:
    run = lab.run(epochs=1)
    lab.job(run, state="finished", **result)
    assert len(DetailReader(run).read("").jobs) == 1


def test_a_running_job_is_followed_and_an_ended_one_kept(lab: Any) -> None:
    run = lab.run(epochs=1)
    job = lab.job(run, state="running", done=1, total=4, now="a01-e0001 train")
    reader = DetailReader(run)
    assert reader.read("").jobs[0].done == 1
    write_json(job.progress, {"done": 3, "total": 4, "now": ""})
    assert reader.read("").jobs[0].done == 3
    lab.let_go()
    write_json(job.result, {"status": "finished", "time": 1.0, "rows": []})
    assert reader.read("").jobs[0].state == "finished"


def test_the_watch_sees_jobs_of_all_runs(lab: Any) -> None:
    quiet, busy = lab.run(epochs=1), lab.run(epochs=1)
    watch = Watch(lab.workspace)
    assert watch.look().jobs == ()
    lab.job(busy, state="running", done=1, total=4)
    (job,) = watch.look().jobs
    assert job.job.run.id == busy.id
    lab.job(quiet, state="queued")
    assert {job.state for job in watch.look().jobs} == {"running", "queued"}
    lab.let_go()
    assert {job.state for job in watch.look().jobs} == {"lost", "queued"} - {"lost"}


def test_the_watch_finds_jobs_from_before_its_start(lab: Any) -> None:
    run = lab.run(epochs=1)
    lab.job(run, state="running", done=1, total=4)
    assert len(Watch(lab.workspace).look().jobs) == 1


def test_the_watch_says_why_runs_wait(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.launch.slots import cpu_slots
    from core.store.locks import acquire

    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    run = lab.run(state="queued")
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps({**spec, "device": "cpu"}))
    lock = acquire(cpu_slots()[0].path)
    assert lock is not None
    watch = Watch(lab.workspace)
    watch.queued = (run.id,)
    with lock:
        assert watch.look().reasons == {run.id: "waiting for a free CPU slot: 1 run has it"}
    assert "its turn" in watch.look().reasons[run.id]


def test_a_watch_that_fails_says_nothing(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.launch.slots.gpu_status", lambda: (_ for _ in ()).throw(OSError("no driver")))
    watch = Watch(lab.workspace)
    watch.start()
    watch.start()
    watch.stop()
    assert watch.latest.gpus == ()
