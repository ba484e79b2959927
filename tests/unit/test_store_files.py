from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from core.errors import UnreadableError, UsageError
from core.store import faults, files
from core.store.process import host_tag


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    faults.arm("")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(".")]


def test_write_replaces_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    old = os.umask(0)
    try:
        files.write_json(path, {"n": 1})
        files.write_json(path, {"n": 2})
        files.make_dir(tmp_path / "d")
    finally:
        os.umask(old)
    assert files.read_json(path) == {"n": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert leftovers(tmp_path) == []


def test_content_is_durable_before_its_name(tmp_path: Path) -> None:
    with faults.recording() as done:
        files.write_bytes(tmp_path / "a", b"x")
    assert [operation.kind for operation in done] == ["create", "write", "fsync", "replace", "fsync folder"]
    with faults.recording() as done:
        files.create_json(tmp_path / "b", {})
    assert [operation.kind for operation in done] == ["create", "write", "fsync", "link", "fsync folder"]


@pytest.mark.parametrize("how", ["enospc", "eio"])
@pytest.mark.parametrize("writer", [files.write_json, files.create_json])
def test_every_fault_leaves_old_or_new(tmp_path: Path, how: str, writer: object) -> None:
    """The n-th operation fails, for each n: the file is as before or as wanted, and no temporary stays."""
    for n in range(1, 6):
        folder = tmp_path / str(n)
        folder.mkdir()
        path = folder / "a.json"
        if writer is files.write_json:
            files.write_json(path, {"n": 1})
        before = files.read_json(path)
        faults.arm(f"{n}:{how}")
        with pytest.raises(OSError, match=r"No space left|Input/output error") as caught:
            writer(path, {"n": 2})  # type: ignore[operator]
        faults.arm("")
        assert caught.value.errno == (errno.ENOSPC if how == "enospc" else errno.EIO)
        assert files.read_json(path) in (before, {"n": 2})
        assert (files.read_json(path) == {"n": 2}) == (n == 5)
        assert leftovers(folder) == []


def test_a_disk_that_stays_full(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a", b"old")
    faults.arm("1+:enospc")
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            files.write_bytes(tmp_path / "a", b"new")
    files.unlink(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_create_is_exclusive_with_and_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.create_json(tmp_path / "a", {"by": 1})
    with pytest.raises(FileExistsError):
        files.create_json(tmp_path / "a", {"by": 2})

    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_link)
    with pytest.raises(FileExistsError):
        files.create_json(tmp_path / "a", {"by": 3})
    files.create_json(tmp_path / "b", {"by": 4})
    files.link(tmp_path / "b", tmp_path / "c")
    assert [files.read_json(tmp_path / name) for name in "abc"] == [{"by": 1}, {"by": 4}, {"by": 4}]
    assert leftovers(tmp_path) == []


def test_touch_is_exclusive(tmp_path: Path) -> None:
    assert [files.touch_exclusive(tmp_path / "0001.stop") for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": 1',
        b"[1]",
        b"null",
        b"\x00\x00",
        b'{"a": "\xff\xfe"}',
        b"{" * 5000,
        b'{"a": NaN}',
        b'{"a":1}' + b" " * 200,
    ],
)
def test_a_hostile_json_file_is_told_from_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UnreadableError, match="/a:"):
        files.read_json(tmp_path / "a", limit=100)
    assert files.peek_json(tmp_path / "a", limit=100) is None
    problems: list[str] = []
    assert files.look_json(tmp_path / "a", problems, limit=100) == {}
    assert len(problems) == 1


def test_only_no_such_file_is_none_and_reading_never_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "loop", ".", "zero", "nul\0"):
        path = os.path.join(tmp_path, name)
        with pytest.raises(UnreadableError):
            files.read_json(path)
        assert files.peek_json(path) is None
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("missing", "missing/deeper", "fifo/deeper", "nowhere"):
        problems: list[str] = []
        path = os.path.join(tmp_path, name)
        assert (files.read_json(path), files.look_json(path, problems), problems) == (None, {}, [])


def test_a_large_file_is_read_whole(tmp_path: Path) -> None:
    value = {"paths": ["x" * 50] * 10_000}
    files.write_json(tmp_path / "a", value)
    assert files.read_json(tmp_path / "a") == value
    with pytest.raises(UnreadableError, match="longer than 100000 bytes"):
        files.read_json(tmp_path / "a", limit=100_000)


@pytest.mark.parametrize("text", ["x", "0:kill", "3", "3:", "-1:eio", "3:fire", "kill"])
def test_a_misspelt_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="LABTUI_FAULT"):
        faults.arm(text)


def test_sweep_takes_only_what_nobody_writes(tmp_path: Path) -> None:
    dead = 2**22 + 1  # above any pid_max
    mine, gone = files.temporary_name("a"), f".a.{host_tag()}-{dead}-aa.tmp"
    foreign, old = ".a.ffffff-1-aa.tmp", ".a.ffffff-2-aa.tmp"
    others = [".hidden", "a.tmp", ".b.tmp", ".b.x-y-z.tmp"]
    for name in (mine, gone, foreign, old, *others):
        (tmp_path / name).touch()
    past = time.time() - 7200
    os.utime(tmp_path / old, (past, past))
    assert sorted(files.sweep(tmp_path)) == sorted([gone, old])
    assert sorted(os.listdir(tmp_path)) == sorted([mine, foreign, *others])
