"""Predictions of new images: a gallery, without anything that would need a truth."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.store.files import write_json
from tui.screens.runs import RunsScreen
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import BoxTable
from tui.widgets.line_table import LineTable
from tui.widgets.matrix import Matrix

NO_TRUTH = "without ground truth"


def write_new(run: Any, errors: ModuleType, folder: Path, number: int = 1) -> None:
    file = run.predictions / f"a01-e0002-new-{number:04d}.npz"
    errors.write_boxes(file, folder, labelled=False, truth=[[], [], []])
    write_json(file.with_suffix(".json"), {"images": [{}, {}, {}]})
    two_hours_ago = time.time() - 7230
    os.utime(file, (two_hours_ago, two_hours_ago))


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (120, 34), (160, 50)])
async def test_new_images_image_by_image(
    lab: Any, drive: Any, errors: ModuleType, tmp_path: Path, size: Any
) -> None:
    run = lab.run(epochs=2)
    write_new(run, errors, tmp_path / "new")
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await ui.sees("[Images]", NO_TRUTH, "0000.png", "0.95", "top class")
        table = screen.query_one("#new-images", LineTable)
        assert table.has_focus
        rows = [tuple(row.cells[name][0] for name in ("boxes", "score", "surest")) for row in table.rows]
        assert rows == [("3", "0.95", "cat"), ("1", "0.70", "eel"), ("1", "0.55", "cat")]
        assert "missed" not in ui.text()
        assert "objects" not in ui.text()
        await errors.press(ui, "enter")
        assert screen.query_one(CasePicture).has_focus
        await ui.sees("▀", "P cat .90", "0.60", "1 of 3", "3 boxes, top: cat")
        assert "background" not in ui.text()
        assert "judged" not in ui.text()
        assert [row.outcome for row in screen.query_one(BoxTable).rows] == ["", "", ""]
        await errors.press(ui, "1", "m", "v", "n")
        await ui.sees("0.70", "1 box, top: eel", "2 of 3")
        await errors.press(ui, "less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign")
        await ui.sees("◂ 0.30 ▸", "P eel .", "2 boxes, top: eel")
        await errors.press(ui, "b", "A")
        await ui.sees("2 boxes, top: cat", "NMS")
        assert "0.60" not in ui.text()
        await errors.press(ui, "w")
        await ui.until(lambda: list((lab.workspace.root / "pictures").glob("*-case-00000-image-1.png")))
        await errors.press(ui, "escape")
        assert table.has_focus
        assert table.cursor == 0
        for tab in ("[Kinds]", "[Classes]", "[PR]", "[Boxes]", "[A/B]"):
            await errors.press(ui, "tab")
            await ui.sees(tab, NO_TRUTH, "nothing to compare")
        await errors.press(ui, "escape", "escape")
        assert isinstance(ui.app.screen, RunsScreen)
    assert not list(run.predictions.glob("*judge*"))


async def test_from_measured_images_to_new_ones_and_back(
    predicted: Any, drive: Any, errors: ModuleType, tmp_path: Path
) -> None:
    """Those with ground truth open first; `c` lists the others with what they are."""
    write_new(predicted, errors, tmp_path / "new")
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        assert errors.cells(screen) == errors.MATRIX
        await errors.press(ui, "c")
        await ui.sees("a01-e0002 new 0001", "3 images, 2 h ago", "★ best")
        await ui.type("new")
        await ui.press("enter")
        await ui.until(lambda: screen.model.is_gallery and screen.model.view is not None)
        await errors.settled(ui)
        await ui.sees("[Images]", "top class")
        await errors.press(ui, "tab", "escape", "c")
        await ui.type("e0002 val")
        await ui.press("enter")
        await ui.until(lambda: not screen.model.is_gallery and screen.model.view is not None)
        await errors.settled(ui)
        await ui.sees("[Matrix]", "false alarm", "dog → cat")
        assert screen.query_one(Matrix).has_focus
        await errors.press(ui, "tab")
        await ui.sees("[Kinds]", "extra label", "dAP")


async def test_new_images_of_a_classifier(lab: Any, drive: Any, errors: ModuleType, tmp_path: Path) -> None:
    run = lab.run(epochs=1)
    file = run.predictions / "a01-e0001-new-0001.npz"
    errors.write_classes(file, tmp_path / "new", [0, 0], [1, 2])
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "labels"}
    np.savez(file, **arrays)
    async with drive(80, 24) as ui:
        await errors.open_errors(ui)
        await ui.sees("2 images", "most likely", "0.80 dog", "0.80 eel")
        await errors.press(ui, "enter", "n")
        await ui.sees("2 of 2", "eel", "0.80", "▀")
        await errors.press(ui, "tab", "tab", "tab", "tab")
        await ui.sees("[Right/wrong]", "nothing to compare")
