from __future__ import annotations

import json
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.workspace import Workspace
from core.errors import StateError, UsageError
from core.store import files, runs
from core.store.attempts import begin_attempt, sweep_temporaries, write_exit, write_result
from core.store.catalogue import find_run
from core.store.locks import acquire, run_lock_path
from core.store.paths import RunPaths
from core.store.process import host_tag
from core.store.runs import (
    add_request,
    change_meta,
    create_run,
    read_meta,
    remove_run,
    request_stop,
    requests,
)
from core.store.state import derive_state


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def lab(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def create(lab: Workspace, **more: Any) -> RunPaths:
    given: dict[str, Any] = {
        "config_name": "cifar10-tinyvgg-v4",
        "config_text": "epochs: 5\n",
        "model": "tinyvgg_v4",
        "metric": "val/accuracy",
        "metric_mode": "max",
        "total_epochs": 5,
        "argv": ["labtui", "train"],
    }
    return create_run(lab, **{**given, **more})


def finish(run: RunPaths, request: int = 1) -> None:
    attempt = begin_attempt(run, request, slot="cpu0", threads=1)
    write_result(attempt, "finished", epoch=5, step=50)
    write_exit(attempt, code=0, signal=None)


def visible(lab: Workspace) -> list[str]:
    return sorted(name for name in os.listdir(lab.runs) if not name.startswith("."))


def test_a_run_is_made_whole(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOO_KEY", "s3cr3t")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "s3cr3t")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    run = create(
        lab, name="first", tags=["a"], parent={"run": "x", "checkpoint": "a01-e0001"}, start="a00-e0001"
    )
    assert re.fullmatch(r"\d{8}-\d{6}-cifar10-tinyvgg-v4-[0-9a-f]{4}", run.id)
    spec = json.loads(run.spec.read_text())
    assert (spec["format"], spec["id"], spec["priority"], spec["epochs"]) == (1, run.id, 0, 5)
    assert spec["parent"] == {"run": "x", "checkpoint": "a01-e0001"}
    assert spec["env"]["CUDA_VISIBLE_DEVICES"] == "1"
    assert spec["env"]["PYTHONHASHSEED"] == "0"
    assert set(spec["code"]) == {"version", "git"}
    assert run.config.read_text() == "epochs: 5\n"
    assert [(r.number, r.start, r.total_epochs) for r in requests(run)] == [(1, "a00-e0001", 5)]
    assert read_meta(run) == {"name": "first", "tags": ("a",), "note": "", "archived": False}
    assert not any(b"s3cr3t" in path.read_bytes() for path in lab.runs.rglob("*") if path.is_file())
    assert (lab.runs / ".changed").read_text() == f"{run.id}\n"
    assert visible(lab) == [run.id]


def test_everything_is_private(lab: Workspace) -> None:
    old = os.umask(0)
    try:
        run = create(lab)
        finish(run)
        change_meta(run, lambda _: {"note": "x"})
        add_request(run, "a01-e0005", 9)
        request_stop(run)
    finally:
        os.umask(old)
    for path in [lab.runs, *lab.runs.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_six_runs_of_one_second_have_six_folders(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the random part is the same for three of them."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    parts = iter(["aaaa", "aaaa", "aaaa", "bbbb", "aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"])
    real = secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda n: next(parts) if n == 2 else real(n))
    made = [create(lab, total_epochs=n) for n in range(1, 7)]
    assert len({run.id for run in made}) == 6
    assert [requests(run)[0].total_epochs for run in made] == [1, 2, 3, 4, 5, 6]
    assert all(json.loads(run.spec.read_text())["id"] == run.id for run in made)


def test_a_taken_id_is_never_overwritten(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes the id after it was found free."""
    first = create(lab)
    content = first.spec.read_bytes()
    suffixes = iter([first.id[-4:], "0000"])
    real_hex, real_exists = secrets.token_hex, Path.exists
    stamp = first.id[:15]
    monkeypatch.setattr(time, "strftime", lambda *_: stamp)
    monkeypatch.setattr(secrets, "token_hex", lambda n: next(suffixes) if n == 2 else real_hex(n))
    looks: list[Path] = []

    def free_at_first(path: Path) -> bool:
        looks.append(path)
        return False if len(looks) == 1 else real_exists(path)

    monkeypatch.setattr(Path, "exists", free_at_first)
    second = create(lab)
    assert second.id.endswith("0000")
    assert first.spec.read_bytes() == content


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc", "a b\n#SBATCH --wrap", "$(touch X)", "-rf", "..", "x" * 300, "CON", "ü", "\0", ""],
)
def test_a_config_of_any_name_makes_a_plain_folder(lab: Workspace, name: str) -> None:
    run = create(lab, config_name=name)
    assert runs.RUN_ID.fullmatch(run.id)  # type: ignore[attr-defined]
    assert run.root.parent == lab.runs
    assert visible(lab) == [run.id]


@pytest.mark.parametrize("name", ["-rf", "@last", "/a", ".hidden", "a\x1b[2J", " a", "x" * 101, "a\nb"])
def test_a_name_that_cannot_be_is_refused(lab: Workspace, name: str) -> None:
    with pytest.raises(UsageError):
        create(lab, name=name)
    run = create(lab)
    with pytest.raises(UsageError):
        change_meta(run, lambda _: {"name": name})
    assert read_meta(run)["name"] == ""


def test_what_a_fork_inherits_is_there_at_once(lab: Workspace) -> None:
    def prepare(new: RunPaths) -> None:
        assert visible(lab) == []
        files.write_bytes(new.checkpoints / "a00-e0001.pt", b"x")

    run = create(lab, prepare=prepare)
    assert (run.checkpoints / "a00-e0001.pt").exists()


def test_a_failing_preparation_leaves_nothing(lab: Workspace) -> None:
    def prepare(new: RunPaths) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        create(lab, prepare=prepare)
    assert os.listdir(lab.runs) == []


def test_folders_of_dead_makers_are_swept(lab: Workspace) -> None:
    lab.runs.mkdir()
    dead, alive = f".new.{host_tag()}-{2**22 + 1}-aa", f".new.{host_tag()}-{os.getpid()}-aa"
    trash = f".trash.{host_tag()}-{2**22 + 1}-aa"
    for name in (dead, alive, trash):
        (lab.runs / name / "requests").mkdir(parents=True)
    run = create(lab)
    assert sorted(os.listdir(lab.runs)) == sorted([".changed", alive, run.id])


def test_a_missing_workspace_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="labtui init"):
        create(Workspace(tmp_path / "gone"))


def test_requests_count_up_and_repeat_nothing(lab: Workspace) -> None:
    run = create(lab)
    with pytest.raises(StateError, match="queued"):
        add_request(run, "a01-e0005", 9)
    assert add_request(run, None, 5) == 1, "that is what it waits for"
    finish(run)
    assert add_request(run, "a01-e0005", 9) == 2
    assert add_request(run, "a01-e0005", 9) == 2
    with pytest.raises(StateError):
        add_request(run, "a01-e0005", 10)
    finish(run, 2)
    assert add_request(run, "a01-e0005", 9) == 3, "the same wish again, after the first was carried out"
    assert [(r.number, r.start, r.total_epochs) for r in requests(run)] == [
        (1, None, 5),
        (2, "a01-e0005", 9),
        (3, "a01-e0005", 9),
    ]


def test_fifty_threads_make_one_request(lab: Workspace) -> None:
    run = create(lab)
    finish(run)
    gate = threading.Barrier(50)
    numbers: list[int] = []

    def ask() -> None:
        gate.wait()
        numbers.append(add_request(run, "a01-e0005", 9))

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [2] * 50
    assert sorted(os.listdir(run.requests)) == ["0001.json", "0002.json"]


def test_of_two_different_wishes_one_loses(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both looked before either wrote."""
    run = create(lab)
    finish(run)
    ended = derive_state(run)
    assert add_request(run, "a01-e0005", 9) == 2
    monkeypatch.setattr(runs, "_newest_number", lambda run: 1)
    monkeypatch.setattr(runs.state, "derive_state", lambda run: ended)  # type: ignore[attr-defined]
    assert add_request(run, "a01-e0005", 9) == 2
    with pytest.raises(StateError, match="to epoch 9 at the same moment"):
        add_request(run, "a01-e0003", 9)


def test_stopping_marks_the_newest_request(lab: Workspace) -> None:
    run = create(lab)
    assert request_stop(run) == 1
    assert derive_state(run).state == "stopped"
    with pytest.raises(StateError, match="is stopped: there is nothing to stop"):
        request_stop(run)
    add_request(run, None, 5)
    with acquire(run_lock_path(run, "train")):  # type: ignore[union-attr]
        assert [request_stop(run), request_stop(run, kill=True)] == [2, 2]
        assert derive_state(run).state == "stopping"
    newest = requests(run)[-1]
    assert (newest.stop, newest.kill) == (True, True)


def test_meta_changes_what_it_names(lab: Workspace) -> None:
    run = create(lab, name="one")
    change_meta(run, lambda _: {"note": "a\nb\x1b[2J", "tags": ["x", "y"]})
    files.write_json(run.meta, {**json.loads(run.meta.read_text()), "later": 1})
    change_meta(run, lambda _: {"name": "two"})
    assert read_meta(run) == {"name": "two", "note": "a\nb␛[2J", "tags": ("x", "y"), "archived": False}
    assert json.loads(run.meta.read_text())["later"] == 1, "fields of later versions stay"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"name": 3, "tags": "x", "note": null, "archived": "yes"}']
)
def test_a_damaged_meta_file_is_empty(lab: Workspace, content: bytes) -> None:
    run = create(lab, name="one")
    run.meta.write_bytes(content)
    assert read_meta(run) == {"name": "", "note": "", "tags": (), "archived": False}


def test_removing_takes_the_run_and_nothing_else(lab: Workspace, tmp_path: Path) -> None:
    run, other = create(lab), create(lab)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (run.predictions / "link").symlink_to(outside)
    finish(run)
    remove_run(run)
    assert visible(lab) == [other.id]
    assert [name for name in os.listdir(lab.runs) if name.startswith(".trash")] == []
    assert (outside / "kept").exists()


@pytest.mark.parametrize("kind", ["sup", "train", None])
def test_an_active_run_is_not_removed(lab: Workspace, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.runs._LOCK_PATIENCE", 0.1)
    run = create(lab)
    if kind is None:
        with pytest.raises(StateError, match="queued"):
            remove_run(run)
    else:
        finish(run)
        with acquire(run_lock_path(run, kind)), pytest.raises(StateError, match="running"):  # type: ignore[union-attr]
            remove_run(run)
    assert visible(lab) == [run.id]


def test_remove_waits_for_a_supervisor_that_is_about_to_end(lab: Workspace) -> None:
    run = create(lab)
    finish(run)
    lock = acquire(run_lock_path(run, "sup"))
    assert lock is not None
    ending = threading.Timer(0.5, lock.release)
    ending.start()
    remove_run(run)
    assert not ending.is_alive()
    assert visible(lab) == []


@pytest.mark.parametrize("name", ["exp [lr=0.1] [/", "a/b", "[red]x", "ünïcode ✓"])
def test_a_name_may_hold_brackets_and_slashes(lab: Workspace, name: str) -> None:
    run = create(lab, name=name)
    create(lab, name="another")
    assert read_meta(run)["name"] == name
    assert find_run(lab, name) == run


def test_a_link_is_not_followed_by_remove(lab: Workspace, tmp_path: Path) -> None:
    run = create(lab)
    finish(run)
    moved = tmp_path / "elsewhere"
    run.root.rename(moved)
    run.root.symlink_to(moved)
    with pytest.raises(StateError, match="link"):
        remove_run(run)
    assert (moved / "spec.json").exists()
    for odd in (lab.runs / "..", lab.runs / ".new.x"):
        with pytest.raises(StateError):
            remove_run(RunPaths(odd))


CHANGES: dict[str, Callable[[RunPaths], object]] = {
    "request": lambda run: add_request(run, None, 9),
    "stop": request_stop,
    "meta": lambda run: change_meta(run, lambda _: {"name": "x"}),
    "attempt": lambda run: begin_attempt(run, 1, slot="cpu0", threads=1),
    "remove": remove_run,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("version", [2, "1", None])
def test_a_run_of_a_newer_format_is_read_only(lab: Workspace, change: str, version: object) -> None:
    run = create(lab)
    files.write_json(run.spec, {**json.loads(run.spec.read_text()), "format": version})
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*")}
    with pytest.raises(StateError, match="newer labtui"):
        CHANGES[change](run)
    assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*")} == before
    assert derive_state(run).state == "queued", "it can still be looked at"


def test_what_is_no_run_is_not_changed(lab: Workspace) -> None:
    (lab.runs / "x").mkdir(parents=True)
    with pytest.raises(StateError, match="not a run"):
        change_meta(RunPaths(lab.runs / "x"), lambda _: {"name": "y"})


def test_each_change_is_hinted(lab: Workspace) -> None:
    run = create(lab)
    hints = lab.runs / ".changed"
    for change in (
        lambda: change_meta(run, lambda _: {"note": "x"}),
        lambda: finish(run),
        lambda: add_request(run, "a01-e0005", 9),
        lambda: request_stop(run),
        lambda: remove_run(run),
    ):
        size = hints.stat().st_size
        change()
        assert hints.read_bytes()[size:].startswith(f"{run.id}\n".encode())


def test_the_hints_stay_small_and_never_matter(lab: Workspace) -> None:
    run = create(lab)
    hints = lab.runs / ".changed"
    hints.write_bytes(b"x\n" * (1 << 20))
    change_meta(run, lambda _: {"note": "1"})
    assert hints.read_text() == f"{run.id}\n"
    hints.unlink()
    hints.mkdir()
    change_meta(run, lambda _: {"note": "2"})
    assert read_meta(run)["note"] == "2"


def test_temporaries_of_the_dead_are_swept_when_an_attempt_begins(lab: Workspace) -> None:
    run = create(lab)
    finish(run)
    dead = f"{host_tag()}-{2**22 + 1}-aa.tmp"
    left = [
        run.root / f".split.json.{dead}",
        run.checkpoints / f".a01-e0001.pt.{dead}",
        run.measures / f".m.json.{dead}",
        run.predictions / f".p.npz.{dead}",
        run.requests / f".0002.json.{dead}",
        run.attempt(1).root / f".result.json.{dead}",
    ]
    for path in left:
        path.touch()
    (run.attempts / f".new.{dead}").mkdir()
    kept = run.checkpoints / files.temporary_name("a01-e0002.pt")
    kept.touch()
    add_request(run, None, 9)
    begin_attempt(run, 2, slot="cpu0", threads=1)
    found = list(run.root.rglob(".*"))
    assert found == [kept]
    assert sweep_temporaries(run) == []


@pytest.mark.parametrize("what", ["training", "a job"])
def test_what_another_host_has_begun_is_not_removed(
    lab: Workspace, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """On a network disk locks say nothing of other hosts; on a local one they do."""
    from core.store import jobs, process

    network: list[bool] = [True]
    monkeypatch.setattr("core.store.locks.is_network", lambda folder: network[0])
    run = create(lab)
    finish(run)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(process, "host", lambda: "elsewhere")
        if what == "training":
            add_request(run, "a01-e0005", 9)
            begun = begin_attempt(run, 2, slot="cpu0", threads=1)
        else:
            begun = jobs.create_job(run, "measure", {})
            jobs.begin_job(begun, slot="cpu0", threads=1)
    with pytest.raises(StateError, match=r"elsewhere has begun .* remove it there"):
        remove_run(run)
    assert visible(lab) == [run.id]
    if what == "training":
        write_exit(begun, code=1, signal=None)
    else:
        network[0] = False
    remove_run(run)
    assert visible(lab) == []


def test_a_run_is_not_removed_while_it_is_forked(lab: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork has its prefix and its split, or there is none: rm waits, what comes later has no parent."""
    from core.store import forks
    from core.store.checkpoints import list_checkpoints, save_files
    from core.store.metrics import MetricsWriter

    monkeypatch.setattr("core.store.runs._LOCK_PATIENCE", 0.1)
    parent = create(lab)
    finish(parent)
    save_files(parent, "a01-e0001", b"weights", {"attempt": 1, "epoch": 1, "step": 3, "metrics": {}})
    with MetricsWriter(parent.metrics) as metrics:
        metrics.write({"t": 1.0, "epoch": 1, "step": 3, "attempt": 1, "scope": "epoch", "val/accuracy": 0.5})
    parent.split.write_text('{"train": []}')
    (checkpoint,) = list_checkpoints(parent)
    refused: list[str] = []
    real = forks.link  # type: ignore[attr-defined]

    def link(source: Path, target: Path) -> None:
        real(source, target)
        with pytest.raises(StateError) as told:
            remove_run(parent)
        refused.append(str(told.value))

    monkeypatch.setattr(forks, "link", link)
    new = create(lab, prepare=lambda fork: forks.prepare_fork(parent, checkpoint, fork, []))
    assert len(refused) == 1
    assert new.metrics.read_bytes()
    assert new.split.read_text() == parent.split.read_text()
    monkeypatch.setattr(forks, "link", real)
    remove_run(parent)
    with pytest.raises(StateError, match="is gone"):
        create(lab, prepare=lambda fork: forks.prepare_fork(parent, checkpoint, fork, []))
    assert visible(lab) == [new.id]
