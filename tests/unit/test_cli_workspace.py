"""`init`, `doctor` and the demo's workspace."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import core.cli.health as health
from core.cli.main import main
from core.cli.scaffold import make_workspace
from core.config.workspace import Workspace, config_files, shipped_configs
from core.errors import UsageError
from core.launch.slots import GpuStatus


def test_init_makes_a_workspace_with_all_shipped_configs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "lab"
    assert main(["init", str(target), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["workspace"] == str(target)
    shipped = shipped_configs()
    assert shipped is not None
    expected = {path.relative_to(shipped) for path in shipped.rglob("*.yaml")}
    assert expected
    assert {path.relative_to(target / "configs") for path in (target / "configs").rglob("*.yaml")} == expected
    assert config_files(Workspace(target))
    assert (target / "runs").stat().st_mode & 0o777 == 0o700
    assert (target / "runs" / ".gitignore").read_text().splitlines()[-2:] == ["*", "!.gitignore"]


def test_init_leaves_what_is_there_alone(tmp_path: Path) -> None:
    shipped = shipped_configs()
    assert shipped is not None
    name = next(path.name for path in sorted(shipped.glob("*.yaml")))
    own = tmp_path / "configs" / name
    own.parent.mkdir()
    own.write_text("mine")
    made = make_workspace(tmp_path)
    assert own.read_text() == "mine"
    assert own not in made
    assert make_workspace(tmp_path) == []


def test_init_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "lab").touch()
    with pytest.raises(UsageError, match="is a file"):
        make_workspace(tmp_path / "lab")


def test_doctor_finds_the_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "1")
    assert main(["doctor", "--json", "--workspace", str(tmp_path)]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    cores = len(os.sched_getaffinity(0))
    assert checks["processor"]["value"] == f"{cores} cores; 1 run at once, {min(8, cores)} threads each"
    assert checks["workspace"]["level"] == "note"
    assert "labtui init" in checks["workspace"]["advice"]
    assert {"python", "packages", "torch", "devices", "memory", "disk, runs", "logout", "terminal"} <= set(
        checks
    )
    assert [name for name, check in checks.items() if check["level"] == "bad" and not check["advice"]] == []


def gpu(**fields: object) -> GpuStatus:
    values = {
        "index": 1,
        "label": "1",
        "name": "NVIDIA T4",
        "uuid": "GPU-1",
        "bus_id": "00000000:3B:00.0",
        "busy": 5,
        "used": 0,
        "total": 16_000_000_000,
        "slots": 1,
        "runs": (),
        "strangers": (),
        "blocked": False,
    }
    return GpuStatus(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "torch", "level", "words"),
    [
        ({}, "2.9.0+cu128", "ok", "NVIDIA T4 at 00000000:3B:00.0, 16.0 GB"),
        ({"runs": ("a-run",)}, "2.9.0", "ok", "16.0 GB; a-run"),
        ({"blocked": True, "strangers": ("pid 7 (python)",)}, "2.9.0", "note", "pid 7 (python)"),
        ({}, "2.9.0+cpu", "bad", "install a CUDA build"),
    ],
)
def test_doctor_names_gpus_by_bus_and_says_who_is_on_them(
    fields: dict[str, object],
    torch: str,
    level: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "gpu_status", lambda: (gpu(**fields),))
    monkeypatch.setattr(health, "_installed", lambda name: torch if name == "torch" else "1.0")
    (found,) = [finding for finding in health.examine(Workspace(tmp_path)) if finding.name == "GPU 1"]
    assert found.level == level
    assert words in f"{found.value} {found.advice}"


def test_doctor_says_how_to_get_the_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"wandb": "0.23.0", "tensorboard": "", "kagglehub": "", "torch": "2.9.0"}
    monkeypatch.setattr(health, "_installed", lambda name: there[name])
    found = {finding.name: finding for finding in health.examine(Workspace(tmp_path))}
    assert (found["wandb"].level, found["wandb"].value) == ("ok", "0.23.0")
    assert found["tensorboard"].level == "note"
    assert "labtui[tensorboard]" in found["tensorboard"].advice
    assert (found["kagglehub"].level, found["kagglehub"].value) == ("note", "not installed")
    assert found["kagglehub"].advice == "only needed for `data.kaggle`: `pip install 'labtui[kaggle]'`"


def test_doctor_says_what_to_do_about_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _usage(1_000_000))
    findings = [finding for finding in health.examine(Workspace(tmp_path)) if finding.name.startswith("disk")]
    assert [finding.level for finding in findings] == ["bad", "bad"]
    assert all("1.0 MB free" in finding.value and "labtui rm" in finding.advice for finding in findings)


def test_doctor_warns_of_a_runs_folder_that_others_write(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    (found,) = [
        f for f in health.examine(Workspace(tmp_path)) if f.name == "runs folder" and f.level == "bad"
    ]
    assert "chmod go-w" in found.advice


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["b false"], False),
        (["b true", "Linger=no"], True),
        (["b true", "Linger=yes"], False),
        ([""], None),
    ],
)
def test_logout_is_judged_by_logind(
    answers: list[str], expected: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter(answers)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/busctl")
    monkeypatch.setattr(health, "_ask", lambda _: next(given))
    assert health.kill_user_processes() is expected


@pytest.mark.parametrize(
    ("term", "colorterm", "depth"),
    [
        ("xterm", "truecolor", "16 million"),
        ("tmux-256color", "", "256"),
        ("screen", "", "16"),
        ("linux", "", "16"),
    ],
)
def test_colour_depth_as_the_screens_assume_it(term: str, colorterm: str, depth: str) -> None:
    assert health.colour_depth(term, colorterm) == depth


def _usage(free: int) -> object:
    return SimpleNamespace(total=free, used=0, free=free)
