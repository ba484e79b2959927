"""What is said of a run before it starts: its network once, its disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from core.config.load import parse_experiment
from core.config.schema import Experiment
from core.config.workspace import Workspace, cache_home
from core.launch import preview

CONFIG = """\
data: {format: synthetic, root: /pictures, synthetic: {images: 60, classes: 4, groups: 2, size: 32}}
model: tinyvgg_a
epochs: 10
"""


def experiment(**changes: Any) -> Experiment:
    lines = {**{line.partition(": ")[0]: line.partition(": ")[2] for line in CONFIG.splitlines()}, **changes}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    return parse_experiment(text, Path("/tmp/config.yaml"))


CHILD = """
import json, sys
from pathlib import Path
text = Path(sys.argv[1]).read_text()
with open(%r, "a") as asked: asked.write("x")
print("from the user's network")
print(json.dumps({"model": "m", "parameters": 7, "layers": [{"name": "a\\x1b[2J"}], "error": None}))
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """How often the child was asked, one letter each time."""
    file, script = tmp_path / "asked", tmp_path / "child.py"
    script.write_text(CHILD % str(file))

    def command(module: str, *arguments: str) -> list[str]:
        assert module == "core.engine.describe"
        return [sys.executable, str(script), *arguments]

    monkeypatch.setattr(preview, "module_command", command)
    file.touch()
    return file


def test_a_network_is_built_once(asked: Path) -> None:
    found = preview.describe(experiment(), 4)
    assert (found["parameters"], found["error"]) == (7, None)
    assert found["layers"] == [{"name": "a␛[2J"}]
    same = experiment(epochs=3, learning_rate=0.5, batch=8, seed=4, tags="[x]", label_smoothing=0.1)
    assert preview.describe(same, 4) == found
    assert asked.read_text() == "x"
    (kept,) = (cache_home() / "describe").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "tinyvgg_b"},
        {"image_size": 64},
        {"mode": "head"},
        {"model_args": "{hidden: 32}"},
        {"optimizer": "{name: adam}"},
        {"ema": 0.99},
    ],
)
def test_another_network_is_another(asked: Path, changes: dict[str, Any]) -> None:
    assert preview.description_key(experiment(), 4) != preview.description_key(experiment(**changes), 4)


def test_the_classes_and_the_users_file_count(asked: Path, tmp_path: Path) -> None:
    assert preview.description_key(experiment(), 4) != preview.description_key(experiment(), 5)
    net = tmp_path / "net.py"
    net.write_text("one = 1\n")
    own = experiment(model=f"{net}:build")
    before = preview.description_key(own, 4)
    net.write_text("two = 2\n")
    assert preview.description_key(own, 4) != before


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit('cannot \\x1b[2J build it')", "cannot ␛[2J build it"),
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("print('{')", "ended with code 0"),
        ("print('[1]')", "ended with code 0"),
        ('print(\'{"model": "m", "error": "no such layer"}\')', "no such layer"),
        ("import time; time.sleep(60)", "was not built within 0 s"),
    ],
)
def test_what_goes_wrong_is_a_sentence(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "child.py"
    file.write_text(script)
    monkeypatch.setattr(preview, "module_command", lambda _, *words: [sys.executable, str(file), *words])
    found = preview.describe(experiment(), 4, timeout=0.3 if "sleep" in script else 30)
    assert words in found["error"]
    assert "parameters" not in found
    assert not (cache_home() / "describe").exists(), "a fault is not kept"


@pytest.mark.parametrize(
    ("checkpoint", "measure", "octets"),
    [
        ("{}", "{}", 10 * 1000 + 10 * 7),
        ("{every: 3}", "{}", 5 * 1000 + 10 * 7),
        ("{keep: 2}", "{}", 3 * 1000 + 10 * 7),
        ("{keep: 2, every: 5}", "{every: 4}", 3 * 1000 + 3 * 7),
        ("{keep: 50}", "{}", 10 * 1000 + 10 * 7),
    ],
)
def test_the_disk_a_run_takes(checkpoint: str, measure: str, octets: int) -> None:
    wish = experiment(checkpoint=checkpoint, measure=measure)
    assert preview.disk_estimate(wish, 1000, 7) == octets
    assert preview.disk_estimate(wish, 1000, 7, 0) == 0


def test_free_space(tmp_path: Path) -> None:
    free = preview.free_space(Workspace(tmp_path))
    assert free is not None
    assert free > 0
    assert preview.free_space(Workspace(tmp_path / "nowhere")) is None
