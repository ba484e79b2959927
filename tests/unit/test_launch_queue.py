"""The queue beside what is broken: one bad work, run or workspace never harms another, and says why."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.config.workspace import Workspace, state_home
from core.errors import StateError
from core.launch import apart, dispatch, queue
from core.launch.delays import delay, hold_back, pause
from core.launch.queue import QueueView, in_order, known_workspaces, register
from core.launch.queue_reasons import explain, waiting_reasons
from core.launch.slots import Board, Need
from core.launch.work_item import Work, newest
from core.store import jobs
from core.store.catalogue import Catalogue, find_run, list_runs
from core.store.jobs import create_job
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
from core.store.runs import create_run, request_stop
from core.store.state import derive_state


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "4")


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return workspace(tmp_path / "lab")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What gets a supervisor, in whose place nothing is started."""
    names: list[str] = []
    monkeypatch.setattr(dispatch, "_spawn_supervisor", lambda work, *_: names.append(work.name))
    monkeypatch.setattr(dispatch, "_ensure_waiter", lambda: names.append("waiter"))
    return names


def workspace(root: Path) -> Workspace:
    made = Workspace(root)
    made.runs.mkdir(parents=True)
    made.configs.mkdir()
    register(made)
    return made


def queued(lab: Workspace, **more: Any) -> RunPaths:
    return create_run(
        lab,
        config_name="c",
        config_text="model: tinyvgg_a\n",
        model="tinyvgg_a",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=3,
        argv=["labtui"],
        **{"device": "cpu", **more},
    )


def damaged(run: RunPaths, how: str) -> None:
    """What can be found in a run's folder."""
    request = run.request(1)
    if how == "removed":
        shutil.rmtree(run.root)
    elif how == "emptied":
        shutil.rmtree(run.requests)
        run.requests.mkdir()
    elif how == "a folder for a request":
        request.unlink()
        request.mkdir()
    elif how == "a loop":
        shutil.rmtree(run.root)
        run.root.symlink_to(run.root.name)
    elif how == "a pipe":
        request.unlink()
        os.mkfifo(request)
    elif how == "odd numbers":
        request.write_text('{"total_epochs": 3, "time": "soon"}')
        run.spec.write_text(json.dumps({"format": 1, "priority": [], "device": "cpu"}))


DAMAGES = ("removed", "emptied", "a folder for a request", "a loop", "a pipe", "odd numbers")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_run_hides_no_other(lab: Workspace, started: list[str], how: str) -> None:
    """Each damage comes between a look and what follows from it."""
    first, bad, last = (queued(lab) for _ in range(3))
    view = QueueView()
    works = view.works()
    assert [work.run for work in works] == [first, bad, last]
    damaged(bad, how)
    assert [work.run.id for work in in_order(works)] == [first.id, bad.id, last.id]
    assert {str(first.root), str(last.root)} <= set(waiting_reasons(works))
    assert {first.id, last.id} <= {work.run.id for work in view.works()}
    assert {first.id, last.id} <= set(dispatch.dispatch(view))
    summaries = Catalogue(lab, index=False).refresh()
    assert {first.id, last.id} <= {summary.id for summary in explain(summaries, lab.runs)}


def test_what_nobody_foresaw_is_noted_and_passed_over(
    lab: Workspace, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = queued(lab), queued(lab)
    real = Work.need

    def need(work: Work) -> Any:
        if work.run == bad:
            raise RuntimeError("a fault of ours")
        return real(work)

    monkeypatch.setattr(Work, "need", need)
    view = QueueView()
    assert dispatch.dispatch(view) == [good.id]
    assert view.problems == {str(bad.root): "unexpected RuntimeError: a fault of ours"}
    assert "a fault of ours" in apart.supervisor_log().read_text()
    assert "waiter" in started, "somebody comes back for it"
    assert "a fault of ours" in waiting_reasons()[str(bad.root)]


def test_a_summary_that_fails_is_a_line_of_its_own(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = queued(lab), queued(lab)
    from core.store import catalogue

    real = catalogue._summarise  # type: ignore[attr-defined]

    def summarise(run: RunPaths, reader: Any) -> Any:
        if run == bad:
            raise IndexError("list index out of range")
        return real(run, reader)

    monkeypatch.setattr(catalogue, "_summarise", summarise)
    found = {summary.id: summary for summary in Catalogue(lab, index=False).refresh()}
    assert found[good.id].state == "queued"
    assert (found[bad.id].state, "list index out of range" in found[bad.id].reason) == ("lost", True)


@pytest.mark.parametrize("content", [b"/" + b"x" * 5000, b"a\x00b", None], ids=["long", "null", "folder"])
def test_a_workspace_that_cannot_be_looked_at_stops_no_other(
    lab: Workspace, started: list[str], capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    entry = state_home() / "workspaces" / "0000"
    entry.mkdir() if content is None else entry.write_bytes(content)
    run = queued(lab)
    problems: dict[str, str] = {}
    assert known_workspaces(problems) == [lab]
    assert len(problems) == 1
    assert dispatch.dispatch() == [run.id]
    assert main(["--workspace", str(lab.root), "queue"]) == 0
    assert "passed over" in capsys.readouterr().err


def test_a_workspace_that_has_become_unreadable_is_named(
    lab: Workspace, tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = workspace(tmp_path / "other")
    hidden, run = queued(other), queued(lab)
    view = QueueView()
    assert len(view.works()) == 2
    real, asked = os.stat, str(other.runs)

    def stat(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if str(path).startswith(asked):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "stat", stat)
    assert [work.run for work in view.works()] == [run]
    assert view.problems == {str(other.root): f"permission denied: {other.runs}"}
    assert dispatch.dispatch() == [run.id]
    monkeypatch.setattr(os, "stat", real)
    assert {work.run.id for work in view.works()} == {run.id, hidden.id}


def test_hints_that_are_no_names_do_no_harm(lab: Workspace) -> None:
    view = QueueView()
    assert view.works() == []
    (lab.runs / ".changed").write_bytes(b"../lab\n\x00\n/etc\n\xff\xfe\n.\n")
    run = queued(lab)
    assert [work.run for work in view.works()] == [run]


def test_lost_hints_are_made_good(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes no hint: all are looked at again after a while."""
    view = QueueView()
    assert view.works() == []
    size = len(queued(lab).id) + 1
    assert view.works()
    os.truncate(lab.runs / ".changed", size)
    monkeypatch.setattr("core.store.runs.mark_changed", lambda *_: None)
    late = queued(lab)
    assert late not in [work.run for work in view.works()]
    monkeypatch.setattr(queue, "_LOOK_ANEW", 0.0)
    assert late in [work.run for work in view.works()]


def test_priority_and_time_travel_with_the_work(lab: Workspace) -> None:
    first, second, urgent = (queued(lab) for _ in range(3))
    spec = json.loads(urgent.spec.read_text())
    urgent.spec.write_text(json.dumps({**spec, "priority": 5}))
    job = create_job(first, "measure", {"priority": 1})
    works = QueueView().works()
    assert [work.root for work in works] == [urgent.root, job.root, first.root, second.root]
    shutil.rmtree(lab.runs)
    assert [work.root for work in in_order(reversed(works))] == [
        urgent.root,
        job.root,
        first.root,
        second.root,
    ]


def test_work_of_a_newer_format_takes_no_slot(lab: Workspace, started: list[str]) -> None:
    later, spoilt, run = (queued(lab) for _ in range(3))
    later.spec.write_text(json.dumps({**json.loads(later.spec.read_text()), "format": 2}))
    spoilt.spec.unlink()
    view = QueueView()
    assert dispatch.dispatch(view) == [run.id]
    assert started == [run.id], "no waiter waits for what can never begin here"
    assert "newer labtui" in waiting_reasons()[str(later.root)]
    assert "spec.json is missing" in waiting_reasons()[str(spoilt.root)]
    told = {item.id: item.reason for item in explain(Catalogue(lab, index=False).refresh(), lab.runs)}
    assert "newer labtui" in told[later.id]


def test_what_could_not_begin_lets_others_pass_for_longer_each_time(
    lab: Workspace, started: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = queued(lab), queued(lab)
    work = newest(bad)
    assert work is not None
    for tries, seconds in ((1, 10), (2, 20), (3, 40)):
        assert hold_back(work, OSError(28, "No space left on device", "/x"))
        held = delay(work)
        assert held is not None
        assert held.tries == tries
        assert seconds - 5 < held.left <= seconds
    assert dispatch.dispatch() == [good.id]
    assert started == [good.id, "waiter"]
    assert waiting_reasons()[str(bad.root)].startswith("could not start: the disk is full: /x (tried 3")
    clock = time.time() + 41
    with pytest.MonkeyPatch.context() as other_time:
        other_time.setattr(time, "time", lambda: clock)
        assert bad.id in dispatch.dispatch()
        other_time.setattr(time, "time", lambda: clock - 10**6)
        assert bad.id in dispatch.dispatch(), "a clock that was set back holds nothing for ever"
    assert main(["--workspace", str(lab.root), "dispatch"]) == 0
    assert bad.id in capsys.readouterr().out, "who asks for it has it tried at once"
    assert delay(work) is None


def test_pauses_end_somewhere() -> None:
    assert [pause(tries) for tries in (1, 2, 7, 10**6)] == [10, 20, 600, 600]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"tries": "x"}', b'{"tries": 1, "time": "y"}'])
def test_a_damaged_note_holds_nothing(lab: Workspace, content: bytes) -> None:
    work = newest(queued(lab))
    assert work is not None
    hold_back(work, OSError("x"))
    (note,) = (state_home() / "delays").iterdir()
    note.write_bytes(content)
    assert delay(work) is None


def test_a_supervisor_that_does_not_start_is_a_reason(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "module_command", lambda *_: ["/bin/sh", "-c", "exit 3"])
    run = queued(lab)
    view = QueueView()
    assert dispatch.dispatch(view) == []
    assert view.left == 1
    assert "its supervisor ended at once with code 3" in waiting_reasons()[str(run.root)]


def test_who_holds_a_lock_for_an_instant_leaves_nothing_queued(lab: Workspace, started: list[str]) -> None:
    """A look at the supervisor's lock at that very moment: the work is counted as left."""
    run = queued(lab)
    lock = acquire(run_lock_path(run, "sup"), shared=True)
    assert lock is not None
    with lock:
        assert dispatch.dispatch() == []
    assert started == ["waiter"]
    assert dispatch.dispatch() == [run.id]


def test_a_dispatcher_that_comes_again_does_not_wait(lab: Workspace, started: list[str]) -> None:
    """A supervisor's watch must not stand still for the lock of another: a kill would wait for it."""
    queued(lab)
    lock = acquire(state_home() / "dispatch.lock")
    assert lock is not None
    began = time.thread_time(), time.monotonic()
    with lock:
        assert dispatch.dispatch(QueueView()) == []
    assert time.monotonic() - began[1] < dispatch._LOCK_WAIT / 2
    assert started == []


def test_the_log_of_supervisors_is_bounded(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_LOG_LIMIT", 2000)
    for number in range(200):
        apart.log_fault(f"fault {number}", OSError(28, "No space left on device"))
    log = apart.supervisor_log()
    kept = log.with_suffix(".log.1")
    assert "fault 199" in log.read_text()
    assert log.stat().st_size + kept.stat().st_size < 5000


def test_a_run_without_its_spec_is_seen_and_stopped(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trainer goes on: it can be seen, named and stopped."""
    from core.launch.slots import note_holder

    run, other = queued(lab), queued(lab)
    lock, taken = acquire(run_lock_path(run, "train")), Board().take(Need("cpu"))
    assert lock is not None
    assert taken is not None
    run.spec.unlink()
    with lock, taken[1]:
        note_holder(taken[1], Work(run, 1).holder)
        assert {found.id for found in list_runs(lab)} == {run.id, other.id}
        assert find_run(lab, run.id) == run
        (row,) = [item for item in Catalogue(lab, index=False).refresh() if item.id == run.id]
        assert row.state == "running"
        assert main(["--workspace", str(lab.root), "queue"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.startswith("cpu0") and run.id in line]
        assert request_stop(run) == 1
        assert derive_state(run).state == "stopping"
    with pytest.raises(StateError):
        jobs.create_job(run, "measure", {})


@pytest.mark.parametrize("folder", ["a file", "full"])
def test_a_state_folder_that_cannot_be_written_is_found_first(
    lab: Workspace,
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = queued(lab)
    pictures = tmp_path / "pictures"
    (lab.configs / "c.yaml").write_text(
        f"data: {{format: synthetic, root: {pictures}, synthetic: {{images: 30, classes: 2, groups: 1}}}}\n"
        "model: tinyvgg_a\nepochs: 1\ndevice: cpu\n"
    )
    if folder == "a file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "x"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "y"))
    else:
        real = Path.write_bytes

        def write_bytes(path: Path, data: bytes) -> int:
            if path.name.startswith(".probe"):
                raise OSError(28, "No space left on device", str(path))
            return real(path, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)
    before = sorted(os.listdir(lab.runs))
    for words in (["ls"], ["queue"], ["show", run.id], ["metrics", run.id], ["ls", "--json"]):
        assert main(["--workspace", str(lab.root), *words]) == 0, words
    capsys.readouterr()
    assert main(["--workspace", str(lab.root), "train", "--config", "c"]) == 4
    said = capsys.readouterr().err
    assert "The state folder" in said
    assert "XDG_STATE_HOME" in said
    assert sorted(os.listdir(lab.runs)) == before, "no run was made"
    assert main(["--workspace", str(lab.root), "rm", run.id, "--yes"]) == 0
    assert not run.root.exists()
