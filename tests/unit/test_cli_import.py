"""`import`: what its child is asked and what becomes of the answer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.config.workspace import Workspace

MADE = {
    "id": "20261125-080000-c_m_36_44_f_40-1a2b",
    "files": [],
    "checkpoints": ["a01-e0015"],
    "notes": ["ten"],
    "known": False,
}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    (tmp_path / "configs" / "data").mkdir(parents=True)
    (tmp_path / "configs" / "data" / "mine.yaml").write_text("root: ../../pictures\n")
    (tmp_path / "c_m_36_44_f_40_ep_15.pth").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The child's answer, and under `asked` what it was asked."""
    answer: dict[str, Any] = {"stdout": json.dumps({"runs": [MADE]}), "stderr": ""}

    def run(argv: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        assert argv[-1] == "core.evaluate.import_checkpoints"
        answer["asked"] = json.loads(more["input"])
        return subprocess.CompletedProcess(argv, 0, answer["stdout"], answer["stderr"])

    monkeypatch.setattr(subprocess, "run", run)
    return answer


def test_it_prints_the_runs(
    workspace: Workspace, child: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [
        "import",
        "c_m_36_44_f_40_ep_15.pth",
        "--model",
        "tinyvgg_c",
        "--classes",
        "a, b",
        "--name",
        "old",
    ]
    assert main([*argv, "--data", "mine"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{MADE['id']}\n"
    assert "note: ten" in captured.err
    asked = child["asked"]
    assert asked["files"] == [str(workspace.root / "c_m_36_44_f_40_ep_15.pth")]
    assert (asked["model"], asked["classes"], asked["name"]) == ("tinyvgg_c", ["a", "b"], "old")
    assert asked["data"]["root"] == str(workspace.root / "pictures")
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": [MADE]}


def test_the_childs_error_is_ours(
    workspace: Workspace, child: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    child["stdout"] = json.dumps({"error": "x.pth could run code", "code": 3})
    assert main(["import", "c_m_36_44_f_40_ep_15.pth"]) == 3
    assert capsys.readouterr().err == "x.pth could run code\n"
    child |= {"stdout": "", "stderr": "Traceback\nMemoryError: too big\n"}
    assert main(["import", "c_m_36_44_f_40_ep_15.pth"]) == 4
    assert capsys.readouterr().err == "nothing was imported: MemoryError: too big\n"


def test_files_and_data_that_are_not_there_are_named(
    workspace: Workspace, child: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "none.pth"]) == 2
    assert f"there is no file {workspace.root}/none.pth" in capsys.readouterr().err
    assert main(["import", "c_m_36_44_f_40_ep_15.pth", "--data", "mnie"]) == 2
    assert "did you mean 'mine'" in capsys.readouterr().err
    assert "asked" not in child
