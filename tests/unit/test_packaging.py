"""What the wheel holds, and that no test folder can be taken for one of our packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
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
    (wheel,) = target.glob("*.whl")
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
    assert "environment of its own" in ended.stderr
