"""Tags, notes, names and pins: kept side by side, cleaned, seen at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.errors import CheckpointError, StateError, UsageError
from core.store import annotate, files
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.catalogue import Catalogue, summarise
from core.store.checkpoints import list_checkpoints, save_files
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import create_run, read_meta

EVIL = "a\x1b]52;c;aGk=\x07\x9b2J\u202eb"


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    made = create_run(
        Workspace(tmp_path),
        config_name="demo",
        config_text="epochs: 5\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=5,
        argv=[],
        tags=("baseline",),
        mode="split",
    )
    attempt = begin_attempt(made, 1, slot="cpu0", threads=1)
    sidecar = {"attempt": 1, "epoch": 1, "step": 10, "metrics": {}, "mid_epoch": False}
    save_files(made, "a01-e0001", b"x", sidecar)
    write_result(attempt, "finished", epoch=7, step=70, early_stop={"epoch": 7, "best_epoch": 2})
    write_exit(attempt, code=0, signal=None)
    return made


def test_tags_come_and_go(run: RunPaths) -> None:
    assert annotate.set_tags(run, ["good", " paper "]) == ("baseline", "good", "paper")
    assert annotate.set_tags(run, ["good"], ["baseline", "never there"]) == ("good", "paper")
    assert annotate.set_tags(run, ["x"], ["x"]) == ("good", "paper")
    assert summarise(run).tags == ("good", "paper")


@pytest.mark.parametrize("tag", ["", "  ", "t" * 101])
def test_a_tag_that_cannot_be(run: RunPaths, tag: str) -> None:
    with pytest.raises(UsageError):
        annotate.set_tags(run, ["fine", tag])
    assert read_meta(run)["tags"] == ("baseline",)


def test_there_are_only_so_many_tags(run: RunPaths) -> None:
    with pytest.raises(UsageError, match="51 tags; 50 is the maximum"):
        annotate.set_tags(run, [f"t{n}" for n in range(50)])


def test_hostile_text_is_cleaned_where_it_is_written(run: RunPaths) -> None:
    annotate.set_tags(run, [EVIL])
    annotate.set_note(run, f"{EVIL}\nsecond line" + "n" * 20_000)
    with pytest.raises(UsageError):
        annotate.set_name(run, EVIL)
    stored = run.meta.read_bytes().decode()
    assert not any(char in stored for char in "\x1b\x07\x9b\u202e")
    assert "\\u001b" not in stored
    note = read_meta(run)["note"]
    assert "\nsecond line" in note
    assert len(note) == 10_000


def test_each_change_leaves_the_others(run: RunPaths) -> None:
    annotate.set_name(run, "my best")
    annotate.set_note(run, "why")
    annotate.set_archived(run, True)
    annotate.set_tags(run, ["x"])
    summary = summarise(run)
    assert (summary.name, summary.note, summary.archived) == ("my best", "why", True)
    assert summary.tags == ("baseline", "x")
    annotate.set_archived(run, False)
    annotate.set_note(run, "")
    annotate.set_name(run, "")
    summary = summarise(run)
    assert (summary.name, summary.note, summary.archived) == ("", "", False)


def test_what_later_versions_write_stays(run: RunPaths) -> None:
    files.write_json(run.meta, {**(files.read_json(run.meta) or {}), "colour": "red"})
    files.write_json(run.pins, {"pinned": ["a09-e0001"], "why": {"a09-e0001": "paper"}})
    annotate.set_note(run, "n")
    annotate.pin(run, "a01-e0001")
    assert (files.read_json(run.meta) or {})["colour"] == "red"
    assert files.read_json(run.pins) == {
        "pinned": ["a01-e0001", "a09-e0001"],
        "why": {"a09-e0001": "paper"},
    }


def test_pins(run: RunPaths) -> None:
    annotate.pin(run, "a01-e0001")
    annotate.pin(run, "a01-e0001")
    assert [checkpoint.pinned for checkpoint in list_checkpoints(run)] == [True]
    with pytest.raises(CheckpointError, match="no checkpoint 'a01-e0002' to pin"):
        annotate.pin(run, "a01-e0002")
    annotate.pin(run, "a01-e0001", on=False)
    annotate.pin(run, "a01-e0002", on=False)
    assert [checkpoint.pinned for checkpoint in list_checkpoints(run)] == [False]


def test_readers_hear_of_it(run: RunPaths) -> None:
    """Also those that took the run for ended long ago."""
    hint = run.root.parent / ".changed"
    catalogue = Catalogue(Workspace(run.root.parents[1]))
    catalogue.refresh()
    for change in (
        lambda: annotate.set_tags(run, ["live"]),
        lambda: annotate.set_note(run, "live"),
        lambda: annotate.pin(run, "a01-e0001"),
    ):
        size = hint.stat().st_size
        change()
        assert hint.read_text()[size:] == f"{run.id}\n"
    (summary,) = catalogue.refresh()
    assert (summary.tags, summary.note) == (("baseline", "live"), "live")
    assert (summary.early_stop, summary.mode, summary.imported) == (7, "split", False)


def test_two_at_once_lose_nothing(run: RunPaths) -> None:
    threads = [threading.Thread(target=annotate.set_tags, args=(run, [f"t{n}"])) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_meta(run)["tags"]) == {"baseline", *(f"t{n}" for n in range(10))}


def test_a_locked_or_newer_run_is_refused(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.runs._LOCK_PATIENCE", 0.05)
    lock = acquire(run_lock_path(run, "meta"))
    assert lock is not None
    with lock, pytest.raises(StateError, match="Another labtui"):
        annotate.set_tags(run, ["x"])
    files.write_json(run.spec, {**(files.read_json(run.spec) or {}), "format": 2})
    for change in (lambda: annotate.set_note(run, "x"), lambda: annotate.pin(run, "a01-e0001")):
        with pytest.raises(StateError, match="newer labtui"):
            change()
