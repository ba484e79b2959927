"""Workers collect apart: every one of them must see the same tests under the same names."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def collection(folder: Path, seed: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    return subprocess.Popen(
        [*command, str(folder)],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def names(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return [line for line in output.splitlines() if "::" in line]


def next_second() -> None:
    """Stamps of whole seconds differ from here on."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.01)


@pytest.mark.skipif(not os.environ.get("LABTUI_SOAK"), reason="make soak: one more collection of everything")
def test_all_tests_have_the_same_names_in_every_collection(request: pytest.FixtureRequest) -> None:
    """Those of this session, collected some seconds ago, against a collection of now.

    xdist compares its workers, which have hash seeds of their own, in every `make test`.
    """
    here = [item.nodeid for item in request.session.items]
    again = names(collection(ROOT / "tests", "2"))
    assert len(again) > 1000
    assert set(here) <= set(again)
    if len(here) > 1000:
        assert sorted(here) == sorted(again)


def test_a_name_that_carries_the_time_or_the_hash_seed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "test_stamped.py").write_text(
        "import time\nimport pytest\n"
        "@pytest.mark.parametrize('word', [str(int(time.time())), next(iter({*'abcdef'}))])\n"
        "def test_it(word): pass\n"
    )
    first = collection(tmp_path, "1")
    next_second()
    second = collection(tmp_path, "2")
    assert names(first) != names(second)


@pytest.mark.parametrize(
    ("count", "total", "places"),
    [(2, 2, {0, 1}), (2, 9, {0, 8}), (3, 6, {0, 2, 5}), (4, 11, {0, 3, 7, 10}), (5, 5, {0, 1, 2, 3, 4})],
)
def test_some_cases_are_spread_over_all(count: int, total: int, places: set[int]) -> None:
    spread = importlib.import_module("tests.conftest").spread
    assert spread(count, total) == places


def test_of_a_marked_test_some_cases_always_and_all_in_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    where = ROOT / "tests/unit/test_analysis_chance.py"
    monkeypatch.delenv("LABTUI_SOAK", raising=False)
    some = [name for name in names(collection(where, "1")) if "test_two_equal_models" in name]
    monkeypatch.setenv("LABTUI_SOAK", "1")
    every = [name for name in names(collection(where, "1")) if "test_two_equal_models" in name]
    assert len(some) == 1 < len(every)
    assert set(some) < set(every)
