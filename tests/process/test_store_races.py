"""Many processes change the same workspace at once; a disk that is really full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from core.config.workspace import Workspace
from core.errors import LabError, RunFailedError
from core.store.attempts import attempts, begin_attempt, write_exit, write_result
from core.store.catalogue import list_runs
from core.store.checkpoints import list_checkpoints, save_files, verify
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import RunPaths
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


def create(lab: Workspace, epochs: int = 5) -> RunPaths:
    return create_run(
        lab,
        config_name="same",
        config_text=f"epochs: {epochs}\n",
        model="tinyvgg_v4",
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=epochs,
        argv=[],
    )


def ended(lab: Workspace) -> RunPaths:
    run = create(lab)
    attempt = begin_attempt(run, 1, slot="cpu0", threads=1)
    write_result(attempt, "finished", epoch=5, step=50)
    write_exit(attempt, code=0, signal=None)
    return run


def at_once(count: int, action: Callable[[int], int]) -> list[int]:
    """What `action(n)` returns (0 to 99) in each of `count` forked processes, let go together."""
    gate_r, gate_w = os.pipe()
    children = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            code = 120
            try:
                os.close(gate_w)
                os.read(gate_r, 1)
                code = action(number)
            finally:
                os._exit(code)
        children.append(pid)
    os.close(gate_w)
    os.close(gate_r)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert all(0 <= code < 100 for code in codes), f"a child failed: {codes}"
    return codes


def tried(action: Callable[[], object]) -> int:
    """0 when it went through, 1 when it was refused in words."""
    try:
        action()
    except LabError:
        return 1
    return 0


def test_fifty_processes_make_one_request(tmp_path: Path) -> None:
    run = ended(Workspace(tmp_path))
    assert at_once(50, lambda n: add_request(run, "a01-e0005", 9)) == [2] * 50
    assert sorted(os.listdir(run.requests)) == ["0001.json", "0002.json"]


def test_of_different_requests_one_wins_whole(tmp_path: Path) -> None:
    run = ended(Workspace(tmp_path))
    codes = at_once(20, lambda n: tried(lambda: add_request(run, f"a01-e{n:04d}", 100 + n)))
    assert codes.count(0) == 1
    newest = requests(run)[-1]
    assert newest.number == 2
    assert newest.start == f"a01-e{newest.total_epochs - 100:04d}"
    assert codes.index(0) == newest.total_epochs - 100


def test_six_starts_at_once_are_six_runs(tmp_path: Path) -> None:
    lab = Workspace(tmp_path)
    lab.runs.mkdir()
    at_once(6, lambda n: len(create(lab, n + 1).id) * 0)
    runs = list_runs(lab)
    assert len(runs) == 6
    assert sorted(requests(run)[0].total_epochs for run in runs) == [1, 2, 3, 4, 5, 6]
    assert all(run.config.read_text() == f"epochs: {requests(run)[0].total_epochs}\n" for run in runs)
    assert [name for name in os.listdir(lab.runs) if name.startswith(".new")] == []


def test_attempts_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    run = create(Workspace(tmp_path))
    codes = at_once(8, lambda n: begin_attempt(run, 1, slot=f"cpu{n}", threads=1).number)
    assert sorted(codes) == list(range(1, 9))
    assert len({attempt.slot for attempt in attempts(run)}) == 8


def test_names_and_notes_at_once_are_all_kept(tmp_path: Path) -> None:
    run = ended(Workspace(tmp_path))
    changes: list[Callable[[], object]] = [
        lambda: change_meta(run, lambda _: {"name": "n"}),
        lambda: change_meta(run, lambda _: {"note": "o"}),
        lambda: change_meta(run, lambda _: {"tags": ["t"]}),
    ]
    assert at_once(12, lambda n: tried(changes[n % 3])) == [0] * 12
    assert read_meta(run) == {"name": "n", "note": "o", "tags": ("t",), "archived": False}


def test_resume_stop_and_delete_at_once(tmp_path: Path) -> None:
    """Whatever wins: no crash, one request at most, and the run is either whole or gone."""
    lab = Workspace(tmp_path)
    for _ in range(3):
        run = ended(lab)

        def act(number: int, run: RunPaths = run) -> int:
            try:
                return tried(
                    [
                        lambda: add_request(run, "a01-e0005", 9),
                        lambda: request_stop(run),
                        lambda: remove_run(run),
                        lambda: 0 * len(derive_state(run).reason),
                    ][number % 4]
                )
            except FileNotFoundError:
                return 2

        codes = at_once(16, act)
        removed = [codes[number] for number in range(2, 16, 4)]
        assert (0 in removed) == (not run.root.exists())
        assert removed.count(0) <= 1
        if run.root.exists():
            assert len(requests(run)) == 2
            assert derive_state(run).state in ("queued", "stopped")
    assert [name for name in os.listdir(lab.runs) if name.startswith(".trash")] == []


def limited(octets: int, action: Callable[[], int]) -> int:
    """`action` in a process whose files end at `octets`, as if the disk were full there."""

    def act(_: int) -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))
        return action()

    return at_once(1, act)[0]


def test_a_short_write_tears_one_line_and_loses_none(tmp_path: Path) -> None:
    """The kernel takes part of a line; when there is room again every record is there once."""
    path = tmp_path / "metrics.jsonl"

    def row(epoch: int) -> dict[str, object]:
        return {"t": 1.0, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch", "val/loss": 0.5}

    def write() -> int:
        with MetricsWriter(path) as writer:
            for epoch in range(1, 21):
                writer.write(row(epoch))
            waiting = writer.pending
            size = path.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            writer.write(row(21))
        return 0 if waiting and size == 1000 else 1

    assert limited(1000, write) == 0
    assert b"\n\n" not in path.read_bytes()
    assert [found["epoch"] for found in read_history(path).epochs] == list(range(1, 22))


def test_a_checkpoint_that_does_not_fit_leaves_the_old_ones(tmp_path: Path) -> None:
    run = create(Workspace(tmp_path))
    sidecar = {"attempt": 1, "epoch": 1, "step": 10, "metrics": {}, "mid_epoch": False}
    save_files(run, "a01-e0001", b"x" * 1000, sidecar)
    said = tmp_path / "said"

    def save() -> int:
        try:
            save_files(run, "a01-e0002", b"y" * 100_000, {**sidecar, "epoch": 2, "step": 20})
        except RunFailedError as error:
            said.write_text(str(error))
            return 0
        return 1

    assert limited(50_000, save) == 0
    assert "heckpoint a01-e0002 needs 100 kB" in said.read_text()
    assert [(item.id, verify(item)) for item in list_checkpoints(run)] == [("a01-e0001", None)]
    assert sorted(os.listdir(run.checkpoints)) == ["a01-e0001.json", "a01-e0001.pt"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_small_disk_fills_up(small_disk: Path) -> None:
    """When nothing more fits, the older checkpoints are whole and nothing half-written is left."""
    run = create(Workspace(small_disk))

    def save(epoch: int) -> None:
        sidecar = {"attempt": 1, "epoch": epoch, "step": epoch * 10, "metrics": {}, "mid_epoch": False}
        save_files(run, f"a01-e{epoch:04d}", os.urandom(200_000), sidecar)

    saved = 0
    while not (full := tried(partial(save, saved + 1))):
        saved += 1
    assert full
    assert 3 <= saved <= 5
    listed = list_checkpoints(run)
    assert [item.epoch for item in listed] == list(range(1, saved + 1))
    assert all(verify(item) is None for item in listed)
    assert len(os.listdir(run.checkpoints)) == 2 * saved
    with pytest.raises(RunFailedError, match="disk is full"):
        save(saved + 1)
