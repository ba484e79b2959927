"""The reader: one snapshot a poll, none when nothing changed, nothing read that nobody looks at."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.store.changes import mark_changed
from core.store.jobs import read_job
from core.store.metrics import MetricsReader, MetricsWriter
from tui.read import reader as reader_module
from tui.read.activity import Activity
from tui.read.reader import Reader, Wanted


class Clock:
    """Stands in for the time module in the reader."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(reader_module, "time", made)
    return made


def both(reader: Reader, wanted: Wanted) -> Any:
    """The first poll reads the list only; the second all that is wanted."""
    first = reader.poll(wanted)
    return reader.poll(wanted) or first


def test_no_workspace_is_an_empty_one(tmp_path: Path) -> None:
    snapshot = Reader(Workspace(tmp_path / "none")).poll(Wanted())
    assert snapshot is not None
    assert snapshot.loaded
    assert snapshot.runs == ()


def test_nothing_new_is_no_snapshot(lab: Any, clock: Clock) -> None:
    run = lab.run()
    reader = Reader(lab.workspace)
    wanted = Wanted(frozenset({run.id}), run.id)
    assert both(reader, wanted).curves[run.id].epochs
    assert reader.poll(wanted) is None
    clock.now += 60
    assert reader.poll(wanted) is None


def test_the_list_comes_before_the_curves(lab: Any) -> None:
    run = lab.run()
    reader = Reader(lab.workspace)
    first = reader.poll(Wanted(frozenset({run.id})))
    assert first is not None
    assert [found.id for found in first.runs] == [run.id]
    assert not first.curves


def test_only_what_is_wanted_is_read(lab: Any) -> None:
    one, two = lab.run(), lab.run()
    reader = Reader(lab.workspace)
    snapshot = both(reader, Wanted(frozenset({one.id})))
    assert set(snapshot.curves) == {one.id}
    assert snapshot.detail is None
    snapshot = reader.poll(Wanted(frozenset({two.id}), two.id))
    assert snapshot is not None
    assert set(snapshot.curves) == {two.id}
    assert [found.epoch for found in snapshot.detail.checkpoints] == [1, 2, 3]


def test_old_snapshots_do_not_change(lab: Any) -> None:
    run = lab.run(state="running", epochs=1)
    reader, wanted = Reader(lab.workspace), Wanted(frozenset({run.id}))
    before = both(reader, wanted)
    lab.epoch(run, 2, 0.7)
    after = reader.poll(wanted)
    assert len(before.curves[run.id].epochs["val/accuracy"]) == 1
    assert len(after.curves[run.id].epochs["val/accuracy"]) == 2


def test_a_hint_is_enough_for_a_run_that_ended(lab: Any, clock: Clock) -> None:
    run = lab.run(epochs=1)
    reader = Reader(lab.workspace)
    assert both(reader, Wanted()).runs[0].name == ""
    from core.store.runs import change_meta

    change_meta(run, lambda _: {"name": "renamed"})
    assert reader.poll(Wanted()).runs[0].name == "renamed"


def test_without_a_hint_the_sweep_finds_it(lab: Any, clock: Clock) -> None:
    run = lab.run(epochs=1, name="before")
    reader = Reader(lab.workspace)
    both(reader, Wanted())
    meta = run.meta.read_text().replace("before", "after!")
    run.meta.unlink()
    run.meta.write_text(meta)
    clock.now += 29
    assert reader.poll(Wanted()) is None
    clock.now += 2
    assert reader.poll(Wanted()).runs[0].name == "after!"


def test_running_ones_are_watched_without_hints(lab: Any, clock: Clock) -> None:
    lab.run(state="running", epochs=1)
    reader = Reader(lab.workspace)
    assert both(reader, Wanted()).runs[0].state == "running"
    lab.let_go()
    clock.now += 1.5
    assert reader.poll(Wanted()).runs[0].state == "lost"


def test_a_folder_removed_by_hand_leaves_the_list(lab: Any, clock: Clock) -> None:
    run, other = lab.run(), lab.run()
    reader = Reader(lab.workspace)
    both(reader, Wanted())
    shutil.rmtree(run.root)
    assert [found.id for found in reader.poll(Wanted(frozenset({run.id}), run.id)).runs] == [other.id]


class Seen:
    """A watch that has seen something."""

    def __init__(self, latest: Activity) -> None:
        self.latest = latest
        self.queued: tuple[str, ...] = ()
        self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1


def test_what_goes_on_beside_the_runs(lab: Any, clock: Clock) -> None:
    queued, other = lab.run(state="queued"), lab.run()
    job = read_job(lab.job(other, state="running", done=1, total=2))
    watch = Seen(Activity(jobs=(job,), reasons={queued.id: "waiting for GPU 0: 1 run has it"}))
    reader = Reader(lab.workspace, watch)  # type: ignore[arg-type]
    snapshot = both(reader, Wanted())
    assert watch.queued == (queued.id,)
    assert snapshot.run(queued.id).reason == "waiting for GPU 0: 1 run has it"
    assert [seen.done for seen in snapshot.jobs] == [1]
    assert reader.poll(Wanted()) is None
    watch.latest = Activity(jobs=(job,), reasons={queued.id: "waiting for GPU 0: pid 7 (x) uses 3.0 GB"})
    assert reader.poll(Wanted()).run(queued.id).reason.endswith("3.0 GB")
    reader.close()
    assert watch.stopped == 1


def test_it_waits_longer_when_nothing_trains(lab: Any) -> None:
    lab.run()
    reader = Reader(lab.workspace)
    reader.poll(Wanted())
    assert reader.pause < 0.1
    reader.poll(Wanted())
    assert reader.pause == 1.0
    running = lab.run(state="running", epochs=0)
    mark_changed(lab.workspace.runs, running.id)
    reader.poll(Wanted())
    assert reader.pause == 0.5


def test_a_fault_is_said_once_and_goes_away(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run()
    reader = Reader(lab.workspace)
    both(reader, Wanted())
    said = reader.failed(OSError("disk \x1b[31m gone"))
    assert "\x1b" not in said.problem
    assert "disk" in said.problem
    assert len(said.runs) == 1
    assert reader.failed(OSError("disk \x1b[31m gone")) is None
    assert reader.poll(Wanted()).problem == ""


def test_a_thousand_runs_looked_at_keep_few_files_in_mind(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [lab.run(epochs=1) for _ in range(20)]
    reader = Reader(lab.workspace)
    both(reader, Wanted())
    for run in runs:
        reader.poll(Wanted(frozenset({run.id})))
    assert len(reader._tails) <= 16


@pytest.mark.parametrize("listed_first", [True, False])
def test_one_reader_for_the_line_and_the_curves_of_a_run(
    lab: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, listed_first: bool
) -> None:
    run = lab.run(state="running", epochs=1)
    reader = Reader(lab.workspace)
    reader.poll(Wanted())
    begun: list[bool] = []
    begin = MetricsReader.__init__

    def counted(self: MetricsReader, path: Path, *, steps: bool = True) -> None:
        begun.append(steps)
        begin(self, path, steps=steps)

    monkeypatch.setattr(MetricsReader, "__init__", counted)
    wanted = Wanted(frozenset({run.id}))
    if listed_first:
        clock.now += 2
        reader.poll(Wanted())
    reader.poll(wanted)
    for epoch in (2, 3, 4):
        clock.now += 2
        with MetricsWriter(run.metrics) as writer:
            place = {"t": time.time(), "epoch": epoch, "step": epoch * 20, "attempt": 1, "scope": "epoch"}
            writer.write({**place, "val/accuracy": 0.5 + epoch / 10})
        snapshot = reader.poll(wanted)
        assert snapshot.runs[0].epoch == epoch
        assert snapshot.curves[run.id].epochs["val/accuracy"].x("epoch").tolist()[-1] == epoch
    assert begun == ([False, True] if listed_first else [True])
