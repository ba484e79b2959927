"""The arrows between the rooms, statically and in fresh interpreters."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCH = {"torch", "torchvision", "torchmetrics"}
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SILENT_ROOMS = ("config", "store", "datasets", "data", "models", "launch", "tracking")
HEAVY = {"numpy", "plotext", "pydantic", "yaml", "textual", "rich", *TORCH}


def loaded_by(code: str, *, workspace: Path) -> set[str]:
    """Top-level names in `sys.modules` of a fresh interpreter after `code`."""
    script = f"{code}\nimport sys, json; sys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=workspace, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return {name.split(".")[0] for name in json.loads(ended.stderr.splitlines()[-1])}


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([str(linter), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    "room",
    [
        "core.cli.main",
        "core.store.catalogue",
        "core.store.state",
        "core.launch.control",
        "core.launch.supervisor",
        "core.tracking",
        "core.tracking.watch",
    ],
)
def test_rooms_on_the_way_to_the_first_paint_load_nothing_heavy(room: str, tmp_path: Path) -> None:
    assert not HEAVY & loaded_by(f"import {room}", workspace=tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["ls"],
        ["ls", "--json"],
        ["queue"],
        *(
            [name, "--help"]
            for name in ("train", "measure", "predict", "import", "show", "diff", "tag", "pin")
        ),
    ],
)
def test_light_commands_load_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    code = f"from core.cli.main import main\nassert main({command!r}) == 0"
    assert not HEAVY & loaded_by(code, workspace=tmp_path)


def test_nothing_of_the_command_line_stands_before_the_screens(tmp_path: Path) -> None:
    code = "import tui.__main__ as entry\nentry.open_screens = lambda _: 0\nassert entry.main([]) == 0"
    assert not (HEAVY | {"argparse"}) & loaded_by(code, workspace=tmp_path)


def test_doctor_asks_for_versions_without_importing_torch(tmp_path: Path) -> None:
    code = "from core.cli.main import main\nassert main(['doctor']) == 0"
    assert not (HEAVY - {"rich"}) & loaded_by(code, workspace=tmp_path)


def test_checking_a_config_loads_no_torch_and_no_screens(tmp_path: Path) -> None:
    config = next((ROOT / "configs").glob("*.yaml"))
    code = f"from core.cli.main import main\nmain(['config', 'check', {str(config)!r}])"
    assert not (TORCH | {"textual", "plotext"}) & loaded_by(code, workspace=tmp_path)


def test_a_trainer_takes_its_first_step_without_torchmetrics(tmp_path: Path) -> None:
    """It takes as long to load as torch: the end of the first epoch is early enough."""
    code = "import core.engine.attempt, core.engine.classification"
    assert "torchmetrics" not in loaded_by(code, workspace=tmp_path)


@pytest.mark.parametrize("package", ["rich", "textual", "plotext", "wandb", "tensorboard"])
def test_only_their_own_rooms_import_drawing_packages_and_trackers(package: str) -> None:
    allowed = {
        "rich": ("core/cli/", "tui/"),
        "textual": ("tui/",),
        "plotext": ("tui/chart/",),
        "wandb": ("core/tracking/to_wandb.py",),
        "tensorboard": ("core/tracking/to_tensorboard.py",),
    }[package]
    users = [path for path in modules() if package in imported_packages(path)]
    assert [path for path in users if not path.startswith(allowed)] == []
    if package == "plotext":
        assert len(users) <= 1


def test_only_the_command_line_and_the_entry_write_to_the_terminal() -> None:
    """`print` and the standard streams belong to core.cli; tui has its own screens, the engine its log."""
    silent = (
        "core/config/",
        "core/store/",
        "core/datasets/",
        "core/data/",
        "core/models/",
        "core/launch/",
        "core/tracking/",
    )
    talkers = [path for path in modules() if path.startswith(silent) and calls_print(path)]
    assert talkers == []


def modules() -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix() for room in ("core", "tui") for path in (ROOT / room).rglob("*.py")
    )


def test_every_docstring_belongs_to_something() -> None:
    """A text that stands alone follows the value that it is about, or begins a module, class or function."""
    assert [place for path in modules() for place in stray_texts(path)] == []


def stray_texts(path: str) -> list[str]:
    found = []
    for parent in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        body = getattr(parent, "body", None)
        for before, node in zip([None, *body], body, strict=False) if isinstance(body, list) else ():
            if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                continue
            if before is None and isinstance(parent, _WITH_DOCSTRING):
                continue
            assigned = isinstance(before, ast.Assign | ast.AnnAssign)
            if node.value.value is not ... and not (assigned and before.end_lineno == node.lineno - 1):
                found.append(f"{path}:{node.lineno}")
    return found


@cache
def imported_packages(path: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return frozenset(names)


def calls_print(path: str) -> bool:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(tree)
    )


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for room in ("core", "tui")
        for path in (ROOT / room).rglob("*.py")
    }
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > 400} == {}
