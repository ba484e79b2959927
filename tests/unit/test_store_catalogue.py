from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.errors import UsageError
from core.store import catalogue as catalogue_module
from core.store import summary_cache
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.catalogue import Catalogue, find_run, list_runs, summarise
from core.store.locks import acquire, run_lock_path
from core.store.metrics import MetricsReader, MetricsWriter
from core.store.paths import RunPaths
from core.store.records import RunSummary
from core.store.runs import add_request, change_meta, create_run, remove_run, request_stop
from core.words import run_state_line


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "lab")


def make(lab: Workspace, identifier: str, **more: Any) -> RunPaths:
    """A run of a chosen id, made by create_run."""
    lab.root.mkdir(exist_ok=True)
    given: dict[str, Any] = {
        "config_name": "tiny",
        "config_text": "",
        "model": "tinyvgg_v4",
        "metric": "val/accuracy",
        "metric_mode": "max",
        "total_epochs": 3,
        "argv": [],
    }
    run = create_run(lab, **{**given, **more})
    run.root.rename(lab.runs / identifier)
    return RunPaths(lab.runs / identifier)


def row(epoch: int, attempt: Any = 1, **metrics: float) -> dict[str, Any]:
    row = {"t": 100.0 + epoch, "epoch": epoch, "step": epoch * 10, "attempt": attempt, "scope": "epoch"}
    return {**row, "time/epoch": 2.0, **metrics}


def train(run: RunPaths, *values: float, status: str = "finished") -> None:
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    with MetricsWriter(run.metrics) as writer:
        for epoch, value in enumerate(values, 1):
            writer.write(row(epoch, **{"val/accuracy": value, "train/loss": 1 / epoch}))
    if status:
        write_result(attempt, status, epoch=len(values), step=len(values) * 10)
        write_exit(attempt, code=0, signal=None)


def age(run: RunPaths) -> None:
    """Folder times of long ago, as those of a run that ended long ago."""
    for folder in (*run.attempts.iterdir(), run.requests, run.root):
        os.utime(folder, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the runs that are summed up from their files, in order."""
    seen: list[str] = []
    real = catalogue_module._summarise  # type: ignore[attr-defined]

    def count(run: RunPaths, reader: MetricsReader | None = None) -> RunSummary:
        seen.append(run.id)
        return real(run, reader)

    monkeypatch.setattr(catalogue_module, "_summarise", count)
    return seen


def test_runs_are_listed_newest_first(lab: Workspace) -> None:
    assert list_runs(lab) == []
    for identifier in ("20250101-000000-a-0001", "20250103-000000-a-0001", "20250102-000000-a-0001"):
        make(lab, identifier)
    (lab.runs / "notes").mkdir()
    (lab.runs / "file").touch()
    (lab.runs / ".new.x" / "requests").mkdir(parents=True)
    assert [run.id[:8] for run in list_runs(lab)] == ["20250103", "20250102", "20250101"]
    assert [found.id[:8] for found in Catalogue(lab).refresh()] == ["20250103", "20250102", "20250101"]


def test_a_summary_says_how_it_stands(lab: Workspace) -> None:
    run = make(lab, "r1", name="first", tags=["a"], parent={"run": "r0", "checkpoint": "a01-e0001"})
    assert summarise(run).state == "queued"
    train(run, 0.2, 0.6, 0.5)
    (run.checkpoints / "a01-e0002.json").touch()
    found = summarise(run)
    assert (found.id, found.name, found.label, found.config, found.model) == (
        "r1",
        "first",
        "first",
        "tiny",
        "tinyvgg_v4",
    )
    assert (found.state, found.epoch, found.epochs, found.parent, found.tags) == (
        "finished",
        3,
        3,
        "r0",
        ("a",),
    )
    assert found.best is not None
    assert (found.best.value, found.best.epoch, found.best.checkpoint) == (0.6, 2, "a01-e0002")
    assert found.last == {"val/accuracy": 0.5, "train/loss": 1 / 3, "time/epoch": 2.0}
    assert found.seconds_per_epoch == 2.0
    assert found.started is not None
    assert found.ended is not None
    assert found.ended >= found.started


def test_best_needs_no_checkpoint_and_is_none_without_values(lab: Workspace) -> None:
    run = make(lab, "r1")
    assert summarise(run).best is None
    train(run, float("nan"), 0.3)
    best = summarise(run).best
    assert best is not None
    assert (best.epoch, best.checkpoint) == (2, None)


def test_the_goal_is_the_newest_requests(lab: Workspace) -> None:
    run = make(lab, "r1")
    train(run, 0.1, 0.2, 0.3)
    add_request(run, "a01-e0003", 9)
    found = summarise(run)
    assert (found.state, found.epoch, found.epochs, found.ended) == ("queued", 3, 9, None)


def test_a_damaged_run_is_shown_as_far_as_it_goes(lab: Workspace) -> None:
    run = make(lab, "r1")
    train(run, 0.1)
    for content in (b"{", b'{"format":1,"config":3,"metric":[],"parent":7,"epochs":"x","created":"y"}'):
        run.spec.write_bytes(content)
        found = summarise(run)
        assert (found.id, found.config, found.best, found.state) == ("r1", "", None, "finished")
    shutil.rmtree(run.requests)
    assert summarise(run).state == "lost"


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("20250102-000000-frcnn-bbbb", "20250102-000000-frcnn-bbbb"),
        ("20250102", "20250102-000000-frcnn-bbbb"),
        ("cccc", "20250103-000000-vgg-cccc"),
        ("VGG-CC", "20250103-000000-vgg-cccc"),
        ("baseline", "20250101-000000-vgg-aaaa"),
        ("base", "20250101-000000-vgg-aaaa"),
        ("@last", "20250103-000000-vgg-cccc"),
        ("20250101-000000-vgg-aaaa/", "20250101-000000-vgg-aaaa"),
    ],
)
def test_a_run_is_found(lab: Workspace, ref: str, expected: str) -> None:
    named = make(lab, "20250101-000000-vgg-aaaa", name="baseline")
    make(lab, "20250102-000000-frcnn-bbbb")
    make(lab, "20250103-000000-vgg-cccc")
    assert find_run(lab, ref).id == expected
    assert find_run(lab, str(named.root)).id == named.id


def test_a_name_goes_before_a_part(lab: Workspace) -> None:
    make(lab, "20250101-000000-vgg-aaaa", name="vgg")
    make(lab, "20250102-000000-vgg-bbbb")
    assert find_run(lab, "vgg").id.endswith("aaaa")


def test_what_is_not_found_or_not_clear_is_an_error(lab: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs"):
        find_run(lab, "x")
    for number in range(7):
        make(lab, f"2025010{number + 1}-000000-vgg-aaa{number}", name="twice" if number < 2 else "")
    with pytest.raises(UsageError, match=r"matches 7 runs: .*aaa6, .* and 2 more"):
        find_run(lab, "vgg")
    with pytest.raises(UsageError, match=r"matches 2 runs: .*\(twice\)"):
        find_run(lab, "twice")
    with pytest.raises(UsageError, match="did you mean 'twice'"):
        find_run(lab, "twicf")
    outside = tmp_path / "20250101-000000-vgg-aaa0"
    outside.mkdir()
    for odd in ("", "/", "/etc", "../x", str(outside), "\x1b[2J", "\0", "x" * 5000, "~nobody/x"):
        with pytest.raises(UsageError) as caught:
            find_run(lab, odd)
        assert "\x1b" not in str(caught.value)


def test_ended_runs_are_read_once(lab: Workspace, reads: list[str]) -> None:
    for number in range(3):
        run = make(lab, f"r{number}")
        train(run, 0.1 * number)
        age(run)
    catalogue = Catalogue(lab)
    first = catalogue.refresh()
    assert reads == ["r2", "r1", "r0"]
    assert catalogue.refresh() == first
    assert reads == ["r2", "r1", "r0"]


def test_a_run_changed_just_now_is_read_again(lab: Workspace, reads: list[str]) -> None:
    """A second change within the same tick of the file system's clock would not move its time."""
    train(make(lab, "r0"), 0.1)
    catalogue = Catalogue(lab)
    catalogue.refresh()
    catalogue.refresh()
    assert reads == ["r0", "r0"]


def test_active_and_lost_runs_are_read_every_time(lab: Workspace, reads: list[str]) -> None:
    run = make(lab, "r0")
    train(run, 0.1, status="")
    age(run)
    catalogue = Catalogue(lab)
    assert catalogue.refresh()[0].state == "lost"
    with acquire(run_lock_path(run, "train")):  # type: ignore[union-attr]
        assert catalogue.refresh()[0].state == "running"
        with MetricsWriter(run.metrics) as writer:
            writer.write(row(2, **{"val/accuracy": 0.7}))
        assert catalogue.refresh()[0].epoch == 2
    assert reads == ["r0"] * 3


CHANGES = {
    "name": (lambda run: change_meta(run, lambda _: {"name": "new"}), lambda found: found.name == "new"),
    "request": (lambda run: add_request(run, None, 9), lambda found: found.state == "queued"),
    "stop": (
        lambda run: (add_request(run, None, 9), age(run), request_stop(run)),
        lambda found: (found.state, found.epochs) == ("stopped", 9),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_an_ended_run_is_seen(lab: Workspace, change: str) -> None:
    run = make(lab, "r0")
    train(run, 0.1)
    age(run)
    catalogue = Catalogue(lab)
    assert catalogue.refresh()[0].state == "finished"
    act, is_seen = CHANGES[change]
    act(run)
    assert is_seen(catalogue.refresh()[0])


def test_removed_runs_go_and_new_ones_come(lab: Workspace) -> None:
    run = make(lab, "r0")
    train(run, 0.1)
    age(run)
    catalogue = Catalogue(lab)
    catalogue.refresh()
    remove_run(run)
    make(lab, "r1")
    assert [found.id for found in catalogue.refresh()] == ["r1"]


def test_the_index_spares_the_next_start_the_reading(lab: Workspace, reads: list[str]) -> None:
    for number in range(3):
        run = make(lab, f"r{number}", name=f"n{number}", tags=["t"])
        train(run, 0.1 * number, float("nan"))
        age(run)
    catalogue = Catalogue(lab)
    first = catalogue.refresh()
    catalogue.save()
    reads.clear()
    second = Catalogue(lab).refresh()
    assert reads == []
    assert [repr(found) for found in second] == [repr(found) for found in first], "NaN and all"
    change_meta(RunPaths(lab.runs / "r1"), lambda _: {"name": "other"})
    assert [found.name for found in Catalogue(lab).refresh()] == ["n2", "other", "n0"]
    assert reads == ["r1"]
    other = Workspace(lab.root.parent / "other")
    shutil.copytree(lab.root, other.root)
    reads.clear()
    Catalogue(other).refresh()
    assert len(reads) == 3, "an index belongs to one folder"


def test_what_arrives_late_is_seen(lab: Workspace) -> None:
    """As rsync brings it: into a folder that was there, whose times are those of where it comes from."""
    run = make(lab, "r0")
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_exit(attempt, code=0, signal=None)
    age(run)
    catalogue = Catalogue(lab)
    assert catalogue.refresh()[0].state == "failed"
    catalogue.save()
    write_result(attempt, "stopped", epoch=2, step=4)
    os.utime(attempt.root, (1_700_000_100, 1_700_000_100))
    for again in (catalogue, Catalogue(lab)):
        assert again.refresh()[0].state == "stopped"
        again.save()
    add_request(run, None, 9)
    late = begin_attempt(run, 2, slot="cpu0", threads=1)
    write_exit(late, code=1, signal=None)
    age(run)
    os.utime(run.requests, (1_700_000_200, 1_700_000_200))
    assert catalogue.refresh()[0].state == "failed"
    write_result(late, "finished", epoch=9, step=18)
    os.utime(late.root, (1_700_000_300, 1_700_000_300))
    assert catalogue.refresh()[0].state == "finished"


@pytest.mark.parametrize("how", ["failed", "lost"])
def test_a_finished_run_that_could_not_go_on_says_both(lab: Workspace, how: str) -> None:
    run = make(lab, "r0")
    train(run, 0.1, 0.2)
    assert summarise(run).finished_at is None
    add_request(run, "a01-e0002", 9)
    attempt = begin_attempt(run, 2, slot="cpu0", threads=1)
    if how == "failed":
        write_exit(attempt, code=1, signal=None)
    found = summarise(run)
    assert (found.state, found.finished_at) == (how, 2)
    glyph, words = {"failed": ("✗", "failed"), "lost": ("?", "was lost")}[how]
    assert run_state_line(found).startswith(f"{glyph} finished; going on {words}: ")
    with MetricsWriter(run.metrics) as writer:
        writer.write({"resume": "a01-e0002", "attempt": 2, "epoch": 2, "step": 20, "t": 1.0})
        writer.write(row(3, 2, **{"val/accuracy": 0.3}))
    assert summarise(run).finished_at is None, "it has learned more since"


def test_another_version_looks_anew(
    lab: Workspace, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(lab, "r0")
    train(run, 0.1)
    age(run)
    catalogue = Catalogue(lab)
    catalogue.refresh()
    catalogue.save()
    for code in ({"version": "9", "git": None}, {"version": "1", "git": "abc"}):
        monkeypatch.setattr(summary_cache, "code_version", lambda code=code: code)
        reads.clear()
        again = Catalogue(lab)
        again.refresh()
        again.save()
        assert reads == ["r0"]
        Catalogue(lab).refresh()
        assert reads == ["r0"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", None])
def test_a_damaged_index_is_no_index(
    lab: Workspace, homes: Path, reads: list[str], content: bytes | None
) -> None:
    run = make(lab, "r0")
    train(run, 0.1)
    age(run)
    catalogue = Catalogue(lab)
    catalogue.refresh()
    catalogue.save()
    (index,) = (homes / "cache" / "labtui").iterdir()
    if content is None:
        stored = json.loads(index.read_text())
        stored["known"]["r0"][1] = stored["known"]["r0"][1][:-1]
        content = json.dumps(stored).encode()
    index.write_bytes(content)
    reads.clear()
    assert Catalogue(lab).refresh()[0].state == "finished"
    assert reads == ["r0"]


def test_a_budget_gives_the_newest_first(
    lab: Workspace, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        run = make(lab, f"r{number}")
        train(run, 0.1)
        age(run)
    now = [0.0]
    real = catalogue_module._summarise  # type: ignore[attr-defined]

    def slow(run: RunPaths, reader: MetricsReader | None = None) -> RunSummary:
        now[0] += 1.0
        return real(run, reader)

    monkeypatch.setattr(catalogue_module, "_summarise", slow)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    catalogue = Catalogue(lab)
    assert [found.id for found in catalogue.refresh(budget=1.5)] == ["r3", "r2"]
    assert not catalogue.complete
    assert [found.id for found in catalogue.refresh(budget=0.5)] == ["r3", "r2", "r1"]
    assert [found.id for found in catalogue.refresh(budget=0.5)] == ["r3", "r2", "r1", "r0"]
    assert catalogue.complete
    assert reads == ["r3", "r2", "r1", "r0"]


def test_a_clock_that_jumped_back_costs_only_time(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(lab, "r0")
    train(run, 0.1)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    catalogue = Catalogue(lab)
    for _ in range(2):
        assert catalogue.refresh()[0].state == "finished"
