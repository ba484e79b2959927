"""The picture of a case: boxes drawn and listed, layers, two sides, judgements, files, missing images."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from textual.widgets import Input

from core.store.judgements import read_judgements
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import BoxTable

SIZES = [(80, 24), (160, 50)]
SIGNS = ("truth 2", "predictions 3", "┏", "┌", " T dog ", " P cat .90")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_zoom_pan_and_layers(predicted: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        picture = screen.query_one(CasePicture)
        whole = picture._region()
        assert whole == (0.0, 0.0, 160.0, 120.0)
        await errors.press(ui, "x")
        near = picture._region()
        assert near[0] <= 60
        assert near[2] >= 110
        assert near[2] - near[0] < 160
        await errors.press(ui, "plus", "right", "down")
        moved = picture._region()
        assert moved[0] > near[0] or moved[2] == 160
        await errors.press(ui, "0")
        assert picture._region() == whole
        await errors.press(ui, "t")
        await ui.sees("no truth")
        assert " T dog " not in ui.text()
        assert "P cat .90" in ui.text()
        await errors.press(ui, "t", "p", "L")
        await ui.sees("no predicted, labels")
        assert "┄" not in ui.text()
        assert "┏" in ui.text()
        await errors.press(ui, "p", "L", "e")
        await ui.sees("only this error")
        assert "P eel .60" not in ui.text()


async def test_boxes_are_gone_through_one_by_one(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(80, 24) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        boxes, picture = screen.query_one(BoxTable), screen.query_one(CasePicture)
        assert [(row.letter, row.name, row.outcome, row.main) for row in boxes.rows] == [
            ("T", "dog", "confused", True),
            ("P", "cat", "confused", True),
            ("T", "cat", "correct", False),
            ("P", "cat", "correct", False),
            ("P", "eel", "extra label", False),
        ]
        assert boxes.rows[1].score == 0.9
        assert boxes.rows[1].iou == pytest.approx(2500 / 2600)
        assert "▸T" not in ui.text()
        await errors.press(ui, "enter")
        assert boxes.has_focus
        await ui.sees("▸T dog ", "⏎ zoom to it")
        await errors.press(ui, "end")
        await ui.sees("▸P eel .60", "▸P eel        0.60 0.97 extra label")
        whole = picture._region()
        await errors.press(ui, "enter")
        near = picture._region()
        assert near[0] <= 11 < 50 <= near[2] < whole[2]
        await errors.press(ui, "up", "up", "up")
        await ui.sees("▸P cat .90")
        assert picture._region() != near
        await errors.press(ui, "escape")
        assert picture.has_focus
        assert "▸P" not in ui.text()
        await errors.press(
            ui, "0", "greater_than_sign", "greater_than_sign", "greater_than_sign", "enter", "end"
        )
        await ui.sees("below score", "▸P eel .60")
        await errors.press(ui, "escape")
        assert "P eel .60" not in ui.text()
        await errors.press(ui, "escape", "escape", "escape")
        assert not screen.is_attached


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_truth_beside_prediction(predicted: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter", "v")
        await ui.sees("truth 2", "predictions 3", "│")
        where = {word: next(line.index(word) for line in ui.lines() if word in line) for word in SIGNS}
        middle = where["predictions 3"] - 2
        assert where["┏"] < middle < where["┌"]
        assert where[" T dog "] < middle < where[" P cat .90"]
        await errors.press(ui, "t")
        assert "┏" not in ui.text()
        await errors.press(ui, "t", "x")
        picture = screen.query_one(CasePicture)
        near = picture._region()
        assert 0 < near[0] <= 60 < 110 <= near[2]
        await errors.press(ui, "n")
        await ui.sees("truth 1", "predictions 1")
        await errors.press(ui, "v")
        await ui.sees("P cat .55", "T dog")
        assert "predictions 1" not in ui.text()


async def test_tall_panes_and_missing_images(
    predicted: Any, drive: Any, errors: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "images").rename(tmp_path / "away")
    async with drive(50, 60) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter", "v")
        await ui.sees("truth 2", "predictions 3", "no image", "┏", "┌", "····")
        rows = {word: next(y for y, line in enumerate(ui.lines()) if word in line) for word in SIGNS}
        assert rows["truth 2"] < rows["┏"] < rows["predictions 3"] < rows["┌"]
        assert "│" not in ui.text()


async def test_missing_images_keep_their_boxes(
    predicted: Any, drive: Any, errors: ModuleType, tmp_path: Path
) -> None:
    """The folder that is named holds for later sittings, too, if the images are in it."""
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    async with drive(160, 50) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        await ui.sees("R sets the folder", "0000.png is not in", "T dog", "P cat .90")
        assert "▀" not in ui.text()
        await errors.press(ui, "R")
        await ui.sees("Where are the images?", "when measured")
        ui.app.screen.query_one(Input).value = str(tmp_path / "empty")
        await errors.press(ui, "enter")
        await ui.sees("has no image 0000.png")
        await errors.press(ui, "escape", "R")
        ui.app.screen.query_one(Input).value = str(tmp_path / "elsewhere")
        await errors.press(ui, "enter")
        await ui.sees("▀", "T dog")
        assert "is not in" not in ui.text()
    async with drive(120, 34) as ui:
        await errors.open_errors(ui)
        await ui.sees("▀")
        await errors.press(ui, "enter", "enter", "R")
        await ui.sees("found last")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES[:1])
async def test_judgements_are_kept(predicted: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    file = predicted.predictions / "a01-e0002-val.npz"
    async with drive(*size) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter", "2")
        await ui.sees("judged: label wrong")
        await errors.press(ui, "m")
        await ui.sees("A note on this case")
        await ui.type("no [/] dog")
        await errors.press(ui, "enter")
        await ui.sees("no [/] dog")
        await errors.press(ui, "n", "1")
        await ui.sees("judged: model wrong")
        await errors.press(ui, "3")
        await ui.sees("judged: unclear")
        await errors.press(ui, "3")
        await ui.sees("judged: –")
        (kept,) = read_judgements(file).values()
        assert (kept.verdict, kept.note, kept.truth, kept.predicted) == (
            "label wrong",
            "no [/] dog",
            "dog",
            "cat",
        )
    async with drive(*size) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        await ui.sees("judged: label wrong · no [/] dog")


@pytest.mark.parametrize("colours", ["standard", "no_color"])
async def test_few_colours(
    predicted: Any, drive: Any, errors: ModuleType, monkeypatch: pytest.MonkeyPatch, colours: str
) -> None:
    if colours == "no_color":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    async with drive(120, 34) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        await ui.sees("T dog", "P cat .90", "┏", "┄")
        await errors.press(ui, "v")
        await ui.sees("truth 2", "predictions 3", "┏", "┌")
        await errors.press(ui, "v", "enter")
        await ui.sees("▸T dog")
        await errors.press(ui, "tab", "tab", "tab", "tab", "tab")


async def test_pictures_are_written(
    predicted: Any, drive: Any, errors: ModuleType, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lab.workspace.root / "pictures"
    async with drive(120, 34) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "w")
        await ui.until(lambda: list(folder.glob("*-matrix-1.png")))
        await errors.press(ui, "enter", "w", "w")
        await ui.until(lambda: len(list(folder.glob("*-case-00000-confused-*.png"))) == 2)
        with Image.open(next(folder.glob("*-case-*-1.png"))) as image:
            assert image.format == "PNG"
        await errors.press(ui, "enter")
        said: list[str] = []
        monkeypatch.setattr(ui.app, "notify", lambda words, **_: said.append(words))
        for package, sentence in (("not_a_package", "labtui[images]"), ("json", "no terminal to draw")):
            monkeypatch.setattr("tui.widgets.full_picture._PACKAGE", package)
            await errors.press(ui, "V")
            await ui.until(lambda: said)
            assert sentence in said.pop()


async def test_a_smaller_terminal_keeps_the_step(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(160, 50) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter", "n")
        await ui.pilot.resize_terminal(80, 24)
        await errors.settled(ui)
        await ui.sees("P cat .55", "2 of 2", "T dog")
        assert screen.model.step == "picture"
        await ui.pilot.resize_terminal(120, 34)
        await errors.settled(ui)
        await errors.press(ui, "escape", "escape")
        await ui.sees("false alarm", "[2]")


async def test_all_pixels_of_a_large_picture_only_when_they_are_seen(
    lab: Any, drive: Any, errors: ModuleType, tmp_path: Path
) -> None:
    run = lab.run(epochs=1)
    box = (300, 300, 900, 900)
    errors.write_boxes(
        run.predictions / "a01-e0001-val.npz",
        tmp_path / "images",
        truth=[[(*box, 1)]],
        found=[[(*box, 0, 0.9)]],
        paths=["large.jpg"],
        side=(1600, 1200),
    )
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "enter", "enter")
        picture = screen.query_one(CasePicture)
        await ui.sees("┏ T dog", "▀")
        assert picture._image is not None
        assert picture._image.width < 800
        assert picture._region() == (0, 0, 1600, 1200)
        before = next(line.index("┏ T dog") for line in ui.lines() if "┏ T dog" in line)
        for _ in range(6):
            await errors.press(ui, "plus")
        assert picture._image.size == (1600, 1200)
        await errors.press(ui, "0", "less_than_sign")
        assert picture._image.size == (1600, 1200)
        assert before == next(line.index("┏ T dog") for line in ui.lines() if "┏ T dog" in line)
