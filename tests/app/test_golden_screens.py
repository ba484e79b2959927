"""Pictures of the main screens, cell by cell, at three sizes.

`pytest -n 0 tests/app/test_golden_screens.py --rewrite-golden` writes `tests/golden/screens/`: look at what
git says changed. A file has the screen's lines, then the styles of each line: the width of a run of cells and
its colours (ink/ground) and attributes.
"""

from __future__ import annotations

import asyncio
import difflib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.style import Style

from core.config.load import dump, load_experiment
from core.store.attempts import record_attempt
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths
from core.store.runs import create_run
from tests.app.shown_samples import NETWORK, cells_and_betas

GOLDEN = Path(__file__).parents[1] / "golden" / "screens"
SIZES = [(80, 24), (120, 34), (160, 50)]
NOON = 1_764_504_000.0
STUDY = """base: ../demo.yaml
epochs: 4
seeds: 3
columns: [val/loss]
trials:
  - {name: slow, learning_rate: 0.01}
  - {name: fast, learning_rate: 0.1}
  - {name: "[wild]", learning_rate: 0.5, seeds: 1}
"""


class Clock:
    """A time of day that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder whose path is always as long: it is in files whose size is shown."""
    with tempfile.TemporaryDirectory(prefix="labtui-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """Time, ids of runs, home and machine as on every other day."""
    clock, runs, files = Clock(), itertools.count(1), itertools.count(1)
    monkeypatch.setattr("time.time", clock)
    monkeypatch.setattr(
        "secrets.token_hex", lambda size: f"{next(runs if size == 2 else files):0{2 * size}x}"
    )
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    monkeypatch.setattr("core.launch.preview.free_space", lambda _: 10**11)
    monkeypatch.setattr("core.launch.preview.describe", lambda *_: NETWORK)
    monkeypatch.setattr("tui.screens.launch_preview.place", lambda *_: "starts at once on cpu0")
    code = "import sys; from core.analysis.image_job import main; sys.exit(main(sys.argv[1:]))"
    monkeypatch.setattr(
        "core.cli.image_reading.module_command", lambda _, *words: [sys.executable, "-P", "-c", code, *words]
    )
    for name, value in {"HOME": str(tmp_path), "TZ": "UTC", "LABTUI_CPU_SLOTS": "2"}.items():
        monkeypatch.setenv(name, value)
    for name in ("COLORFGBG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    return clock


def trial(lab: Any, clock: Clock, rate: float, seed: int, best: float) -> None:
    """A finished run of the study."""
    words = [f"learning_rate={rate}", f"seed={seed}", "epochs=4"]
    experiment = load_experiment("demo", words, workspace=lab.workspace).experiment

    def prepare(new: RunPaths) -> None:
        with MetricsWriter(new.metrics) as writer:
            for epoch in range(1, 5):
                value = best * (1 - 0.5**epoch)
                row = {"val/accuracy": value, "val/loss": 1 - value, "time/epoch": 60.0, "lr": rate}
                place = {"t": clock.now, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch"}
                writer.write({**place, **row})
        split = {"class_names": ["x"], "splits": {"val": {"paths": ["1.png"], "labels": [0], "sizes": [1]}}}
        new.split.write_text(json.dumps(split))
        record_attempt(new, "finished", epoch=4, step=4, started=clock.now, ended=clock.now + 240)

    create_run(
        lab.workspace,
        config_name="demo",
        config_text=dump(experiment),
        model=experiment.model,
        metric="val/accuracy",
        metric_mode="max",
        total_epochs=4,
        argv=["labtui"],
        prepare=prepare,
    )


@pytest.fixture
def filled(lab: Any, clock: Clock, errors: ModuleType, tmp_path: Path) -> None:
    """A study, a detector, runs in all states; the newest has boxes, and a data set with boxes is there."""
    (lab.workspace.configs / "studies").mkdir()
    (lab.workspace.configs / "studies" / "rates.yaml").write_text(STUDY)
    for seed in range(3):
        clock.now += 60
        trial(lab, clock, 0.01, seed, 0.4 + 0.01 * seed)
        trial(lab, clock, 0.1, seed, 0.7 + 0.02 * seed)
    (lab.workspace.configs / "other.yaml").unlink()
    root = cells_and_betas(tmp_path / "set")
    (lab.workspace.configs / "boxes.yaml").write_text(f"data: {root}\nmodel: fasterrcnn_small\n")
    states: dict[str, dict[str, Any]] = {
        "beta": {"state": "failed", "reason": "loss is not finite at epoch 4"},
        "gamma": {"state": "lost"},
        "delta": {"state": "stopped"},
        "epsilon": {"state": "queued"},
        "zeta": {"state": "running", "epochs": 2, "total": 9},
    }
    for name, how in states.items():
        clock.now += 600
        lab.run(name=name, **how)
    clock.now += 600
    lab.detector(name="cells", train=(3, 6))
    clock.now += 600
    run = lab.run("boxes", name="alpha", epochs=3, total=3, best=2, tags=("first",))
    for epoch in (2, 3):
        lab.measure(run, f"a01-e000{epoch}")
        file = run.predictions / f"a01-e000{epoch}-val.npz"
        found = errors.FOUND if epoch == 2 else [[], [], []]
        errors.write_boxes(file, tmp_path / "images", found=found)
        os.utime(file, (clock.now, clock.now))
    clock.now += 90


def _style(style: Style | None) -> str:
    if style is None:
        return "-"
    colours = [
        "" if colour is None else colour.get_truecolor().hex[1:] for colour in (style.color, style.bgcolor)
    ]
    names = ("bold", "dim", "italic", "underline", "reverse", "strike")
    return "/".join(colours) + "".join(f"+{name}" for name in names if getattr(style, name))


def picture(ui: Any) -> str:
    """The cells of the screen: its lines, then the runs of equal style of each line."""
    lines, styles = [], []
    for number, strip in enumerate(ui.app.screen._compositor.render_strips()):
        lines.append("".join(segment.text for segment in strip).rstrip())
        cells = [(_style(segment.style), segment.cell_length) for segment in strip]
        runs = [
            f"{sum(width for _, width in group)} {style}"
            for style, group in itertools.groupby(cells, key=lambda cell: cell[0])
        ]
        styles.append(f"{number + 1}: {', '.join(runs)}")
    folder = ui.app.workspace.root.parent.name
    return "\n".join([*lines, "", *styles, ""]).replace(folder, "labtui-".ljust(len(folder), "x"))


class Album:
    """Pictures of one walk, each compared with its file as soon as the screen has come to rest."""

    def __init__(self, ui: Any, size: tuple[int, int], rewrite: bool) -> None:
        self.ui = ui
        self.size = size
        self.rewrite = rewrite
        self.wrong: list[str] = []

    async def take(self, name: str, *words: str) -> None:
        """The screen with these words on it, when it looks as in its file or changes no more."""
        await self.ui.sees(*words)
        file = GOLDEN / f"{name}-{self.size[0]}x{self.size[1]}.txt"
        golden = file.read_text() if file.exists() and not self.rewrite else ""
        new, since = picture(self.ui), time.monotonic()
        while new != golden and time.monotonic() < since + (2.0 if self.rewrite else 20.0):
            await asyncio.sleep(0.05)
            if (now := picture(self.ui)) != new:
                new, since = now, time.monotonic()
        if self.rewrite:
            file.write_text(new)
        elif new != golden:
            diff = difflib.unified_diff(
                golden.splitlines(), new.splitlines(), file.name, "now", "", "", 1, ""
            )
            self.wrong.append("\n".join(diff))


@pytest.mark.some(2)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.usefixtures("filled")
async def test_screens_look_as_they_did(
    drive: Any, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    async with drive(*size) as ui:
        album = Album(ui, size, request.config.getoption("--rewrite-golden"))
        await ui.press("home")
        await album.take("runs", "alpha")
        await ui.press("enter")
        await album.take("run", "labtui ▸ alpha", "Charts")
        await ui.press("2")
        await album.take("checkpoints", "0.9000", "┊")
        await ui.press("3")
        await album.take("classes", "eel")
        await ui.press("escape", "e")
        await album.take("errors-matrix", "extra label", "background")
        await ui.press("enter")
        await album.take("errors-cases", "0002.png", "0.96")
        await ui.press("enter")
        await album.take("errors-picture", "P cat .90")
        await ui.press("escape", "escape", "escape", "u")
        await album.take("study", "rates", "6 of 7 runs")
        await ui.press("escape", "tab", "home", "d")
        await album.take("data", "data ▸ boxes", "126.5")
        await ui.press("escape", "end", "n")
        await album.take("launch", "as in the file", "learning rate")
        await ui.press("question_mark")
        await album.take("help")
    assert not album.wrong, "\n\n".join(album.wrong)
