from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from core.errors import StateError
from core.store import locks
from core.store.locks import acquire, adopt, file_system, is_held, run_lock_path
from core.store.paths import RunPaths

MOUNTS = """\
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:52 / /mnt/lab rw - nfs4 server:/lab rw,vers=4.2
41 22 0:53 / /mnt/odd\\040name rw shared:7 master:2 - fuse.sshfs me@host: rw
42 22 0:54 / /mnt/disk rw - fuseblk /dev/sdb1 rw
broken line
"""


def test_a_lock_excludes_and_ends_with_release(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_held(path)
    assert not path.exists(), "a probe makes no file"
    lock = acquire(path)
    assert lock is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert is_held(path), "also seen by the process that holds it"
    assert acquire(path) is None
    lock.release()
    lock.release()
    assert not is_held(path)
    with acquire(path) as again:  # type: ignore[union-attr]
        assert again.fd >= 0
    assert not is_held(path)


def test_shared_locks_go_together(tmp_path: Path) -> None:
    first, second = (acquire(tmp_path / "a", shared=True) for _ in range(2))
    assert first
    assert second
    assert acquire(tmp_path / "a") is None
    assert not is_held(tmp_path / "a"), "is_held asks whether an owner is there"


def test_waiting_for_a_lock_ends_when_it_is_free(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "a")
    assert lock is not None
    started = threading.Event()
    got: list[locks.Lock | None] = []

    def wait() -> None:
        started.set()
        got.append(acquire(tmp_path / "a", timeout=30))

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    lock.release()
    thread.join(30)
    assert got[0] is not None


def test_waiting_is_bounded(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "a")
    before = time.monotonic()
    assert acquire(tmp_path / "a", timeout=0.1) is None
    assert 0.1 <= time.monotonic() - before < 5
    assert lock


def test_a_lock_file_made_anew_is_the_lock(tmp_path: Path) -> None:
    """Who opened a file that was removed before it was locked holds nothing, and tries the new one."""
    path = tmp_path / "a"
    old = acquire(path)
    path.unlink()
    new = acquire(path)
    assert old
    assert new
    assert acquire(path) is None


def test_a_lock_in_a_missing_folder_cannot_be_taken(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "gone" / "a")
    with pytest.raises(FileNotFoundError):
        acquire(tmp_path / "gone" / "a")


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "a").symlink_to(tmp_path / "target")
    assert not is_held(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic"):
        acquire(tmp_path / "a")


def test_probes_leave_no_descriptor(tmp_path: Path) -> None:
    lock = acquire(tmp_path / "a")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        is_held(tmp_path / "a")
        acquire(tmp_path / "a")
    assert len(os.listdir("/proc/self/fd")) == before
    assert lock


def test_only_the_lock_itself_can_be_adopted(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    fd = os.open(tmp_path / "other", os.O_RDWR)
    holder = acquire(tmp_path / "a")
    foreign = os.open(tmp_path / "a", os.O_RDWR)
    try:
        for wrong in (fd, foreign, 999):
            with pytest.raises(StateError):
                adopt(wrong, tmp_path / "a")
    finally:
        os.close(fd)
        os.close(foreign)
    assert holder


@pytest.mark.parametrize(
    ("minor", "kind"), [(21, "ext4"), (52, "nfs4"), (53, "fuse.sshfs"), (54, ""), (99, "")]
)
def test_the_file_system_is_read_from_the_mounts(minor: int, kind: str) -> None:
    assert file_system(MOUNTS, os.makedev(0, minor)) == kind


def test_locks_of_runs_on_a_network_disk_are_local(
    tmp_path: Path, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = RunPaths(tmp_path / "lab" / "r1"), RunPaths(tmp_path / "other" / "r1")
    assert run_lock_path(here, "sup") == here.root / "sup.lock"
    monkeypatch.setattr(locks, "is_network", lambda folder: True)
    paths = [run_lock_path(run, kind) for run in (here, there) for kind in ("sup", "train")]  # type: ignore[arg-type]
    assert len(set(paths)) == 4
    for path in paths:
        assert path.parent == homes / "state" / "labtui" / "locks"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    held = acquire(paths[0])
    assert held is not None
    with held:
        assert locks.is_run_locked(here, "sup")
        assert not locks.is_run_locked(there, "sup")


def test_this_disk_is_local(tmp_path: Path) -> None:
    assert not locks.is_network("/proc/self/nowhere")
    assert isinstance(locks.is_network(str(tmp_path)), bool)
