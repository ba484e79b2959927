"""Pictures of a config: pages, augmented rows, faults, at every size and with few colours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DataError
from tui.read.samples import SampleReader, load
from tui.screens.launch import LaunchScreen
from tui.screens.runs import RunsScreen
from tui.screens.samples import SamplesScreen
from tui.widgets.picture_grid import PictureGrid

SIZES = [(80, 24), (160, 50)]
CHILD = """\
import sys
import numpy as np
source, target, *words = sys.argv[1:]
text = open(source).read()
assert "learning_rate" in text, "a dumped config"
seed, count = (int(words[words.index(word) + 1]) for word in ("--seed", "--count"))
columns, titles = 4, [f"class [{n}] of {seed}" for n in range(count)]
if "--augmented" in words:
    columns = 6
    titles = [f"row {n}" if not d else "" for n in range(count) for d in range(6)]
pixels = np.zeros((len(titles), 32, 32, 3), np.uint8)
pixels[:, :16] = (255, 0, 0)
pixels[:, 16:] = (0, 0, 255)
np.savez(target, pixels=pixels, titles=np.array(titles), columns=np.array(columns))
"""
BROKEN = "import sys; sys.stderr.write('Traceback\\nimg[1].png [/] cannot be read\\n'); sys.exit(3)"
ENDLESS = "import time; time.sleep(600)"


def behave(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have children run `code`."""
    monkeypatch.setattr(
        "tui.read.samples.module_command", lambda module, *words: [sys.executable, "-P", "-c", code, *words]
    )


@pytest.fixture(autouse=True)
def child(monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, CHILD)


async def open_pictures(ui: Any) -> PictureGrid:
    await ui.press("tab", "down", "i")
    await ui.until(lambda: isinstance(ui.app.screen, SamplesScreen))
    await ui.until(lambda: not ui.app.screen.grid.is_empty)
    grid: PictureGrid = ui.app.screen.grid
    return grid


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_a_page_full_of_pictures(drive: Any, size: tuple[int, int]) -> None:
    async with drive(*size) as ui:
        grid = await open_pictures(ui)
        await ui.sees("pictures of demo", "class [0]", "page 1", "original training images")
        assert "▀" in ui.text()
        columns, rows = grid.room()
        assert len(grid._titles) == columns * rows
        assert grid.virtual_size.height <= grid.size.height
        assert columns * rows >= {80: 8, 120: 15, 160: 28}[size[0]]
        assert len(ui.lines()) == size[1]
        assert "n other pictures" in ui.footer


async def test_next_page_and_back(drive: Any) -> None:
    async with drive() as ui:
        await open_pictures(ui)
        await ui.sees("class [0] of 0")
        await ui.press("n")
        await ui.sees("class [0] of 1", "page 2")
        await ui.press("N", "N")
        await ui.sees("class [0] of 0", "page 1")
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_an_original_beside_its_draws(drive: Any, size: tuple[int, int]) -> None:
    async with drive(*size) as ui:
        grid = await open_pictures(ui)
        await ui.press("a")
        await ui.sees("row 0", "row 1", "what training sees")
        first = next(line for line in ui.lines() if line.startswith("▀"))
        tile = (size[0] - 1 + 1) // 6 - 1
        assert first.split(" ")[:6] == ["▀" * min(tile, grid._width)] * 6


async def test_larger_and_smaller(drive: Any) -> None:
    async with drive() as ui:
        grid = await open_pictures(ui)
        before = grid.room()
        await ui.press("plus", "plus")
        assert grid.room()[0] < before[0]
        await ui.press("minus", "minus", "minus")
        assert grid.room()[0] > before[0]
        await ui.press(*["plus"] * 12)
        await ui.sees("▀")


async def test_a_fault_is_a_sentence(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, BROKEN)
    async with drive() as ui:
        await ui.press("tab", "down", "i")
        await ui.sees("img[1].png [/] cannot be read")
        assert "Traceback" not in ui.text()


async def test_leaving_ends_the_child(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, ENDLESS)
    async with drive() as ui:
        await ui.press("tab", "down", "i")
        await ui.sees("a few seconds")
        reader = ui.app.screen._reader
        await ui.until(lambda: reader._child is not None)
        process = reader._child
        await ui.press("escape")
        await ui.until(lambda: process.poll() is not None)


async def test_pictures_of_the_form_as_it_is(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, CHILD.replace('"learning_rate"', '"hflip: true"'))
    async with drive() as ui:
        await ui.press("tab", "down", "n")
        await ui.until(lambda: isinstance(ui.app.screen, LaunchScreen))
        await ui.sees("as in the file")
        ui.app.screen.query_one("#form").select("augment.hflip")
        await ui.press("right")
        await ui.sees("augment.hflip: false → true")
        await ui.press("ctrl+t")
        await ui.sees("class [0] of 0")
        await ui.press("escape")
        await ui.sees("augment.hflip: false → true")


async def test_sixteen_colours_and_none(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("tui.widgets.picture_grid.mode_of", lambda app: "shade")
    async with drive() as ui:
        await open_pictures(ui)
        await ui.sees("class [0] of 0")
        assert any(sign in ui.text() for sign in "░▒▓")


def test_a_stopped_reader_gives_nothing() -> None:
    reader = SampleReader()
    reader.stop()
    assert reader.read("learning_rate: 1", augmented=False, seed=0, count=1) is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"pixels": np.zeros((2, 4, 4), np.uint8), "titles": np.array(["a", "b"]), "columns": np.array(1)},
        {"pixels": np.zeros((2, 4, 4, 3)), "titles": np.array(["a", "b"]), "columns": np.array(1)},
        {"pixels": np.zeros((2, 4, 4, 3), np.uint8), "titles": np.array(["a"]), "columns": np.array(1)},
        {"pixels": np.array([object()]), "titles": np.array(["a"]), "columns": np.array(1)},
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    np.savez(tmp_path / "x.npz", **content)
    with pytest.raises(DataError, match="the pictures could not be read"):
        load(tmp_path / "x.npz", augmented=False)
