"""Every test gets state and cache folders of its own and no workspace from the environment."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path
from types import ModuleType

import pytest

# A shell's background jobs ignore Ctrl+C, and so would the tests of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what is compared with files under tests/golden (curves, screens) anew, from this code",
    )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named after their argument: what was packed or stamped at collection differs by worker."""
    return argname if isinstance(val, bytes | bytearray) else None


@pytest.fixture(autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Private XDG folders; returns their parent."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    for name in ("LABTUI_WORKSPACE", "LABTUI_FAULT", "LABTUI_CPU_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def torchvision_files() -> ModuleType:
    """Writers of small data sets in the formats of torchvision's files."""
    spec = importlib.util.spec_from_file_location(
        "torchvision_files", Path(__file__).with_name("torchvision_files.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def box_files() -> ModuleType:
    """Writers of small data sets with boxes."""
    spec = importlib.util.spec_from_file_location("box_files", Path(__file__).with_name("box_files.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def diatom_files() -> ModuleType:
    """Writer of a set with the figures that the lab published."""
    spec = importlib.util.spec_from_file_location("diatom_files", Path(__file__).with_name("diatom_files.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
