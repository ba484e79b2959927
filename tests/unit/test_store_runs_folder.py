"""A folder of runs that cannot be looked into is said, and never taken for an empty one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.main import main
from core.config.workspace import Workspace
from core.errors import RunsFolderError
from core.launch import queue_reasons
from core.launch.dispatch import supervisors_path
from core.launch.queue import register
from core.launch.study import StudyRuns
from core.store.catalogue import Catalogue, find_run, list_runs
from core.store.locks import acquire
from core.store.runs import create_run
from core.store.runs_folder import doubts, require_writable_folder
from tui.read.reader import Reader, Wanted

PLAIN = Path(__file__).parents[1] / "golden" / "run-format1"


def _loop(runs: Path) -> None:
    runs.symlink_to("runs")


def _dead(runs: Path) -> None:
    runs.symlink_to("gone")


@pytest.mark.parametrize("make", [_loop, _dead, Path.touch], ids=["loop", "dead link", "file"])
@pytest.mark.parametrize("words", ["ls", "ls --json", "show @last", "tag @last x"])
def test_commands_say_that_the_runs_cannot_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "runs")
    assert main([*words.split(), "--workspace", str(tmp_path)]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"The runs cannot be looked at: {tmp_path}/runs: ")
    assert "no runs" not in said.err


def test_another_users_folder_is_told_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Workspace(tmp_path)
    lab.runs.mkdir()

    def refused(path: object = ".") -> object:
        raise PermissionError(13, "Permission denied", os.fspath(path))  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refused)
    for look in (
        lambda: list_runs(lab),
        lambda: find_run(lab, "x"),
        lambda: Catalogue(lab).refresh(),
        lambda: StudyRuns(lab)._catalogue.refresh(),
    ):
        with pytest.raises(RunsFolderError, match=r"runs: permission denied"):
            look()
    reader = Reader(lab)
    with pytest.raises(RunsFolderError) as caught:
        reader.poll(Wanted())
    shown = reader.failed(caught.value)
    assert shown is not None
    assert shown.problem.startswith("The runs cannot be looked at: ")


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert list_runs(Workspace(tmp_path)) == []


def test_a_run_that_keeps_us_out_does_not_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Workspace(tmp_path)
    for name in ("closed", "open"):
        shutil.copytree(PLAIN, lab.runs / name)
    real = {name: getattr(os, name) for name in ("stat", "lstat", "listdir", "open")}

    def refusing(name: str) -> Callable[..., object]:
        def call(path: object, *rest: object, **more: object) -> object:
            if f"{lab.runs}/closed/" in os.fspath(path):  # type: ignore[call-overload]
                raise PermissionError(13, "Permission denied", path)
            return real[name](path, *rest, **more)

        return call

    for name in real:
        monkeypatch.setattr(os, name, refusing(name))
    assert [run.id for run in list_runs(lab)] == ["open", "closed"]
    rows = {row.id: row for row in Catalogue(lab, index=False).refresh()}
    assert rows["closed"].reason.startswith("it cannot be read: permission denied")
    with pytest.raises(RunsFolderError, match=r"Run closed cannot be looked at: .*permission denied"):
        find_run(lab, "closed")
    assert find_run(lab, "open").id == "open"


def test_what_speaks_against_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    assert doubts(runs) == []
    require_writable_folder(runs)
    runs.mkdir(mode=0o700)
    assert doubts(runs) == []
    runs.chmod(0o770)
    assert [fact for fact, _ in doubts(runs)] == ["writable by other users"]
    runs.chmod(0o700)
    os.chown(runs, 1_999_999_999, -1) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert doubts(runs)[0][0].startswith("belongs to ")
    monkeypatch.setattr(os, "access", lambda path, how: how == os.R_OK | os.X_OK)
    assert doubts(runs)[-1][0] == "cannot be written"
    with pytest.raises(PermissionError, match="runs"):
        require_writable_folder(runs)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        require_writable_folder(tmp_path / "not" / "there")


def test_that_nobody_gives_a_free_slot_away_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queue_reasons, "_STARTING", 0.1)
    lab = Workspace(tmp_path)
    lab.runs.mkdir()
    register(lab)
    settings = {"config_name": "c", "config_text": "", "model": "m", "metric": "x", "metric_mode": "max"}
    run = create_run(lab, total_epochs=1, argv=[], device="cpu", **settings)  # type: ignore[arg-type]
    for words in ("ls", f"show {run.id}", "queue"):
        assert main([*words.split(), "--workspace", str(tmp_path)]) == 0
        assert "`labtui dispatch` starts it" in capsys.readouterr().out
    alive = acquire(supervisors_path(), shared=True)
    assert alive is not None
    with alive:
        assert main(["ls", "--workspace", str(tmp_path)]) == 0
        assert "will be assigned within 10 s" in capsys.readouterr().out
