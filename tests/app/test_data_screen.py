"""The data screen by keys: pages, bars, the images behind them, boxes, splits, and sets that are odd."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.analysis.image_job import read_images
from tests.app.shown_samples import cells_and_betas
from tui.screens.data import DataScreen
from tui.screens.runs import RunsScreen
from tui.screens.samples import SamplesScreen

SIZES = [(80, 24), (160, 50)]


@pytest.fixture(autouse=True)
def child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job reads in this process's interpreter, without a start of its own for each image."""
    code = "import sys; from core.analysis.image_job import main; sys.exit(main(sys.argv[1:]))"
    monkeypatch.setattr(
        "core.cli.image_reading.module_command", lambda _, *words: [sys.executable, "-P", "-c", code, *words]
    )


@pytest.fixture
def boxed(lab: Any, tmp_path: Path) -> Path:
    """A config on a set with boxes: three images with, one without, one whose pixels are gone."""
    root = cells_and_betas(tmp_path / "set")
    (root / "JPEGImages" / "four.png").write_bytes((root / "JPEGImages" / "one.png").read_bytes())
    for file in (lab.workspace.configs).glob("*.yaml"):
        file.unlink()
    (lab.workspace.configs / "boxes.yaml").write_text(f"data: {root}\nmodel: fasterrcnn_small\n")
    run = lab.run("boxes")
    run.config.write_text(f"data: {{format: voc, root: {root}}}\nmodel: fasterrcnn_small\n")
    return root


async def open_data(ui: Any) -> DataScreen:
    await ui.press("d")
    await ui.until(lambda: isinstance(ui.app.screen, DataScreen))
    screen: DataScreen = ui.app.screen
    await ui.until(lambda: screen.statistics is not None)
    await ui.until(
        lambda: screen.statistics is not None and not screen.statistics.waiting and screen.newest.idle
    )
    return screen


async def to_page(ui: Any, screen: DataScreen, key: str) -> None:
    keys = [page.key for page in screen.pages.rows]
    await ui.press("g", *["down"] * keys.index(key))
    await ui.until(lambda: screen.page is not None and screen.page.key == key)


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES, ids=["80", "160"])
async def test_every_number_leads_to_its_images_by_enter(
    drive: Any, boxed: Path, size: tuple[int, int]
) -> None:
    async with drive(*size) as ui:
        screen = await open_data(ui)
        await ui.sees("data ▸ boxes", "classes")
        await to_page(ui, screen, "classes")
        await ui.press("enter")
        await ui.sees("cell [a]", "imbalance")
        assert screen.step == "figures"
        while screen.figure is not None and screen.figure.key != "class:beta":
            await ui.press("down")
        await ui.press("enter")
        assert screen.step == "images"
        await ui.sees("two.png")
        await ui.until(lambda: screen.picture._whole == (64, 48))
        await ui.press("enter")
        assert screen.step == "picture"
        await ui.sees("T beta")
        for step in ("images", "figures", "pages"):
            await ui.press("escape")
            assert screen.step == step
        assert screen.figure is not None
        assert screen.figure.key == "class:beta"  # as it was left
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))


async def test_problems_come_first_and_unreadable_files_are_listed(drive: Any, boxed: Path) -> None:
    async with drive(160, 50) as ui:
        screen = await open_data(ui)
        assert screen.page is not None
        assert screen.page.key == "problems"
        await ui.sees("to look at", "cannot be used, left out", "images without objects")
        await ui.press("enter")
        while screen.figure is not None and screen.figure.key != "unreadable":
            await ui.press("down")
        await ui.sees("five.png: empty file")
        assert [row.name for row in screen.images.rows] == ["JPEGImages/five.png: empty file"]


async def test_the_heat_map_has_a_cursor_that_leads_to_images(drive: Any, boxed: Path) -> None:
    async with drive(80, 24) as ui:
        screen = await open_data(ui)
        await to_page(ui, screen, "places")
        await ui.press("enter")
        assert ui.app.focused is screen.heat
        for _ in range(12):
            await ui.press("left")
        for _ in range(8):
            await ui.press("up")
        assert screen.figure is not None
        assert screen.figure.key == "place:1,1"
        for _ in range(2):
            await ui.press("right")
        await ui.press("down", "down")
        # Box (2, 2, 20, 20) of 64 x 48 has its middle in column 3, row 2.
        await ui.press("up")
        assert screen.figure.key == "place:3,2"
        await ui.press("y")
        assert ui.app.focused is screen.figures
        await ui.sees("median across")
        assert all(row.total for row in screen.figures.rows)
        await ui.press("y")
        await ui.press("enter")
        await ui.sees("one.png")


async def test_bars_change_to_equal_ratios_and_to_one_split(drive: Any, boxed: Path) -> None:
    async with drive(120, 34) as ui:
        screen = await open_data(ui)
        await to_page(ui, screen, "ratio")
        linear = [row.key for row in screen.figures.rows]
        await ui.press("y")
        assert [row.key for row in screen.figures.rows] != linear
        await ui.sees("1/2 to 2/3")
        await ui.press("right_square_bracket")
        await ui.until(lambda: screen.statistics is not None and screen.statistics.table.splits == ("train",))
        await ui.sees("train:")
        await ui.press("left_square_bracket")
        await ui.until(lambda: screen.statistics is not None and len(screen.statistics.table.splits) == 2)


async def test_classes_are_filtered_and_sorted(drive: Any, boxed: Path) -> None:
    async with drive(120, 34) as ui:
        screen = await open_data(ui)
        await to_page(ui, screen, "classes")
        await ui.press("slash")
        await ui.type("bet")
        await ui.until(lambda: [row.label for row in screen.figures.rows] == ["beta"])
        await ui.press("escape")
        await ui.until(lambda: len(screen.figures.rows) > 1)
        await ui.press("o")
        assert [row.label for row in screen.figures.rows][-2:] == ["beta", "cell [a]"]


async def test_a_opens_augmented_pictures(drive: Any, boxed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.read.samples.SampleReader.read", lambda *_, **__: None)
    async with drive(120, 34) as ui:
        await open_data(ui)
        await ui.press("a")
        await ui.until(lambda: isinstance(ui.app.screen, SamplesScreen))


async def test_partial_figures_come_while_images_are_read(
    drive: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "plain"
    rng = np.random.default_rng(1)
    for index in range(6):
        file = root / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(file)
    lab.run("demo").config.write_text(f"data: {{root: {root}}}\nmodel: tinyvgg_a\n")
    endless = "import time; time.sleep(600)"
    monkeypatch.setattr(
        "core.cli.image_reading.module_command", lambda *_: [sys.executable, "-P", "-c", endless]
    )
    async with drive(120, 34) as ui:
        await ui.press("d")
        await ui.until(lambda: isinstance(ui.app.screen, DataScreen))
        screen: DataScreen = ui.app.screen
        await ui.until(lambda: screen._timer is not None)
        await ui.sees("6 images", "reading 0 of 6")
        read_images(root, [f"{'ab'[index % 2]}/{index}.png" for index in range(3)], threads=1)
        screen._count_again()
        await ui.until(lambda: screen.statistics is not None and screen.statistics.waiting == 3)
        child = screen._reader
        assert child is not None
        await ui.press("escape")
        await ui.until(lambda: isinstance(ui.app.screen, RunsScreen))
        await ui.until(lambda: child._child.poll() is not None)


async def test_a_set_that_is_not_there_is_told_in_its_sentence(drive: Any, lab: Any) -> None:
    lab.run("demo").config.write_text("data: {root: '/nowhere/set[1]'}\nmodel: tinyvgg_a\n")
    async with drive(80, 24) as ui:
        await ui.press("d")
        await ui.until(lambda: isinstance(ui.app.screen, DataScreen))
        await ui.sees("/nowhere/set[1]")


async def test_another_figure_begins_at_its_first_image(drive: Any, boxed: Path) -> None:
    async with drive(160, 50) as ui:
        screen = await open_data(ui)
        await to_page(ui, screen, "classes")
        await ui.press("enter")
        while screen.figure is not None and screen.figure.key != "class:cell [a]":
            await ui.press("down")
        await ui.press("enter", "down", "escape")
        assert screen.images.cursor == 1  # left as it was
        await ui.press("down")
        assert screen.images.cursor == 0
        await ui.press("escape", "down")
        assert screen.figures.cursor == 0


async def test_a_run_shows_its_own_data_and_a_config_its_config(
    drive: Any, lab: Any, boxed: Path, tmp_path: Path, box_files: ModuleType
) -> None:
    """A run whose data were given with --data, beside its config."""
    other = box_files.voc(tmp_path / "other", {"a": [("delta", 2, 2, 9, 9)], "b": [("delta", 1, 1, 9, 9)]})
    run = lab.run("boxes", name="elsewhere")
    run.config.write_text(f"data: {{format: voc, root: {other}}}\nmodel: fasterrcnn_small\n")
    async with drive(160, 50) as ui:
        await ui.sees("elsewhere")
        screen = await open_data(ui)
        await ui.sees("data ▸ elsewhere")
        assert screen.statistics.table.classes == ("delta",)
        await ui.press("escape", "shift+tab")
        await ui.until(lambda: ui.app.screen.query_one("#configs").has_focus)
        screen = await open_data(ui)
        await ui.sees("data ▸ boxes")
        assert "beta" in screen.statistics.table.classes
