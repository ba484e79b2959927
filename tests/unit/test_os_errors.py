"""What the system refuses: a sentence with the path, and nothing half made."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core import os_errors
from core.config.workspace import Workspace
from core.store import faults, files
from core.store.outputs import filled, new_file, write_new
from core.store.runs import create_run


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(OSError, match=r"\d") as caught:
        call()
    return os_errors.sentence(caught.value)


@pytest.mark.parametrize("size", [1, 100_000], ids=["small", "large"])
def test_a_full_disk_is_told_with_the_path(tmp_path: Path, size: int) -> None:
    said = set()
    for number in range(1, 4):
        faults.arm(f"{number}:enospc")
        said.add(refused(lambda: files.write_bytes(tmp_path / "note.json", bytes(size))))
    faults.arm("")
    assert said == {f"{tmp_path}/note.json: the disk is full; make room, then try again."}
    assert list(tmp_path.iterdir()) == []


def test_odd_paths_are_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    assert refused(lambda: files.write_bytes(tmp_path / "loop" / "x", b"")) == (
        f"{tmp_path}/loop/x: a link in this path leads back to itself; remove that link."
    )
    assert refused(lambda: files.write_bytes(tmp_path / "file" / "x", b"")) == (
        f"{tmp_path}/file/x: {tmp_path}/file is a file, not a folder."
    )
    long = tmp_path / ("n" * 250)
    assert refused(lambda: write_new(long, b"")) == f"{long}: this name is too long; use a shorter one."
    assert refused(lambda: write_new(tmp_path / "no" / "x", b"")) == (
        f"{tmp_path}/no/x: there is no such file or folder."
    )
    assert refused(lambda: write_new(tmp_path / "file", b"")) == (
        f"{tmp_path}/file: it already exists; use another name."
    )


def test_whose_folder_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    me = os_errors.owner(os.getuid())
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "runs" / "x"))
    assert os_errors.sentence(error) == (
        f"{tmp_path}/runs/x: permission denied ({tmp_path} belongs to {me}); ask {me} to let you, or use "
        "another folder."
    )
    assert os_errors.owner(1_999_999_999) == "user 1999999999"


@pytest.mark.parametrize("how", ["enospc", "eio"])
def test_a_run_that_could_not_be_made_names_the_runs_folder(tmp_path: Path, how: str) -> None:
    lab = Workspace(tmp_path)
    lab.runs.mkdir()
    settings = {"config_name": "c", "config_text": "", "model": "m", "metric": "x", "metric_mode": "max"}
    faults.arm(f"1:{how}")
    said = refused(lambda: create_run(lab, total_epochs=1, argv=[], **settings))  # type: ignore[arg-type]
    faults.arm("")
    assert said.startswith(f"{lab.runs}: the disk ")
    assert list(lab.runs.iterdir()) == []


def test_a_new_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def half() -> None:
        with new_file(tmp_path / "table.csv") as target:
            target.write(b"a,b")
            raise OSError(errno.ENOSPC, "No space left on device")

    assert refused(half).startswith(f"{tmp_path}/table.csv: the disk is full")
    assert list(tmp_path.iterdir()) == []
    write_new(tmp_path / "table.csv", "a,가")
    assert (tmp_path / "table.csv").read_text() == "a,가"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_that_could_not_be_filled_goes_with_what_was_made_for_it(tmp_path: Path) -> None:
    kept = tmp_path / "there"
    kept.mkdir()
    (kept / "mine.txt").touch()

    def half(folder: Path) -> None:
        with filled(folder):
            (folder / "sub").mkdir()
            (folder / "sub" / "a.png").touch()
            (folder / "b.png").touch()
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    assert "disk quota" in refused(lambda: half(tmp_path / "new" / "deep"))
    assert "disk quota" in refused(lambda: half(kept))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert [path.name for path in kept.iterdir()] == ["mine.txt"]
    with filled(tmp_path / "new" / "deep") as folder:
        (folder / "a").touch()
    assert (tmp_path / "new" / "deep" / "a").exists()


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "measures").touch()
    assert refused(lambda: files.make_dir(tmp_path / "measures", exist_ok=True)) == (
        f"{tmp_path}/measures: it is a file, not a folder."
    )
    assert "already exists" in refused(lambda: files.make_dir(tmp_path / "measures"))
