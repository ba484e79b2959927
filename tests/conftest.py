"""Every test gets state and cache folders of its own and no workspace from the environment."""

from __future__ import annotations

import importlib
import os
import signal
import zlib
from collections import defaultdict
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test marked `some(n)`, n cases spread over all of them; `make soak` takes every one.

    All of them too where single cases are named on the command line.
    """
    if os.environ.get("LABTUI_SOAK") or any("[" in argument for argument in config.args):
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("some"):
            cases[item.nodeid.partition("[")[0]].append(item)
    further: set[pytest.Item] = set()
    for name, those in cases.items():
        marker = those[0].get_closest_marker("some")
        count = min(marker.args[0] if marker else 1, len(those))
        kept = {zlib.crc32(name.encode()) % len(those)} if count == 1 else spread(count, len(those))
        further.update(case for at, case in enumerate(those) if at not in kept)
    if further:
        config.hook.pytest_deselected(items=list(further))
        items[:] = [item for item in items if item not in further]


def spread(count: int, total: int) -> set[int]:
    """`count` places of 0 to `total` - 1, the first and the last among them."""
    return {round(at * (total - 1) / (count - 1)) for at in range(count)}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tested, by reason: nobody has to look for an `s` among thousands of dots."""
    skipped: dict[str, set[str]] = defaultdict(set)
    for report in terminalreporter.getreports("skipped"):
        *_, reason = report.longrepr
        skipped[reason.removeprefix("Skipped: ").removeprefix("NOT TESTED, ")].add(report.nodeid)
    if skipped:
        terminalreporter.section("NOT TESTED", bold=True, yellow=True)
        for reason, tests in sorted(skipped.items(), key=lambda item: (-len(item[1]), item[0])):
            where = sorted({test.partition("::")[0] for test in tests})
            terminalreporter.write_line(
                f"{len(tests)} {'test' if len(tests) == 1 else 'tests'}: {reason} ({', '.join(where)})",
                yellow=True,
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
    return importlib.import_module("tests.torchvision_files")


@pytest.fixture(scope="session")
def box_files() -> ModuleType:
    """Writers of small data sets with boxes."""
    return importlib.import_module("tests.box_files")


@pytest.fixture(scope="session")
def diatom_files() -> ModuleType:
    """Writer of a set with the figures that the lab published."""
    return importlib.import_module("tests.diatom_files")
