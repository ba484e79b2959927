"""What the wheel holds, and that no test folder can be taken for one of our packages."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-P",
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(target),
        str(ROOT),
    ]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


def test_wheel_holds_our_two_packages_and_nothing_else(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {name for name in tops if not name.startswith("labtui-")} == {"core", "tui"}
    kinds = {name.split("/")[0].rsplit(".", 1)[-1] for name in wheel_names if name.startswith("labtui-")}
    assert kinds == {"dist-info", "data"}


def test_wheel_holds_styles_and_type_markers(wheel_names: list[str]) -> None:
    assert {"core/py.typed", "tui/py.typed", "tui/labtui.tcss"} <= set(wheel_names)


def test_wheel_ships_every_config(wheel_names: list[str]) -> None:
    shipped = {
        name.split("/share/labtui/configs/")[1]
        for name in wheel_names
        if "/data/share/labtui/configs/" in name
    }
    here = {path.relative_to(ROOT / "configs").as_posix() for path in (ROOT / "configs").rglob("*.yaml")}
    assert here
    assert shipped == here


def test_wheel_holds_every_module(wheel_names: list[str]) -> None:
    here = {
        path.relative_to(ROOT).as_posix() for room in ("core", "tui") for path in (ROOT / room).rglob("*.py")
    }
    assert {name for name in wheel_names if name.endswith(".py")} == here


def test_no_test_folder_is_a_package() -> None:
    tests = ROOT / "tests"
    assert not list(tests.rglob("__init__.py"))
    assert not {"core", "tui", "configs", "runs"} & {path.name for path in tests.iterdir()}


def test_names_so_generic_are_never_uploaded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert project["scripts"] == {"labtui": "tui.__main__:main"}


def test_trackers_are_extras_that_nothing_else_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for tracker in ("wandb", "tensorboard"):
        assert [line.split(">=")[0] for line in extras[tracker]] == [tracker]
        assert not any(line.startswith(tracker) for line in project["dependencies"])


def test_another_core_on_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").touch()
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
    code = "import sys, tui.__main__ as entry; sys.exit(entry.main(['ls']))"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert str(tmp_path / "core") in ended.stderr
    assert "its own environment" in ended.stderr


def test_installed_away_from_the_checkout_it_makes_a_workspace(wheel: Path, tmp_path: Path) -> None:
    """The wheel in a venv of its own, which borrows nothing but third-party packages."""
    home = tmp_path / "venv"
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    run([sys.executable, "-m", "venv", "--without-pip", str(home)])
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(home / "bin" / "python"),
        "--disable-pip-version-check",
    ]
    run([*pip, "install", "--no-deps", "--no-index", str(wheel)])
    (site,) = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    labtui = str(home / "bin" / "labtui")
    run([labtui, "init", "lab"])
    here = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    made = tmp_path / "lab" / "configs"
    assert {path.relative_to(made) for path in made.rglob("*.yaml")} == here
    checked = run([labtui, "config", "check", "--workspace", "lab", "demo-detector", "--json"])
    assert json.loads(checked.stdout) == {
        "file": str(made / "demo-detector.yaml"),
        "valid": True,
        "problems": [],
    }
    where = run([str(home / "bin" / "python"), "-c", "import core, tui; print(core.__file__, tui.__file__)"])
    assert [Path(path).parents[1] for path in where.stdout.split()] == [site, site]
