"""Errors of a run: the matrix, the cases of a cell, thresholds, tabs, other predictions."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tui.errors.screen import ErrorsScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import BoxTable
from tui.widgets.line_table import LineTable
from tui.widgets.matrix import Matrix
from tui.widgets.matrix_counts import MatrixCell

SIZES = [(80, 24), (160, 50)]
SMALL_SIZES = [(80, 24), (120, 34)]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_from_runs_to_the_worst_picture(
    predicted: Any, drive: Any, errors: ModuleType, size: Any
) -> None:
    """By keys only: the first cell is the worst one, its first case the surest; `z` finds the cell again."""
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await ui.sees("@2", "3 im", "4 obj", "score ◂ 0.50 ▸", "IoU 0.50", "(all scores)")
        assert errors.cells(screen) == errors.MATRIX
        await ui.sees("[2]", "missed", "false alarm", "extra label", "background")
        await errors.press(ui, "enter", "enter")
        await ui.sees("T dog", "P cat .90", "┏", "┄", "▀", "0000.png" if size[0] >= 110 else "dog → cat")
        assert screen.model.step == "picture"
        assert screen.query_one(CasePicture).has_focus
        await ui.sees("dog → cat", "1 of 2", "judged: –")
        assert len(ui.lines()) == size[1]
        if size[0] == 80:
            for words in ("•T dog             0.96 confused", "•P cat        0.90 0.96 confused"):
                assert words in ui.text()
        await errors.press(ui, "n")
        await ui.sees("P cat .55", "2 of 2")
        await errors.press(ui, "b")
        await ui.sees("P cat .90", "1 of 2")
        await errors.press(ui, "n", "escape")
        assert screen.model.step == "cases"
        assert errors.table(screen).cursor == 1
        await errors.press(ui, "escape")
        assert screen.model.step == "matrix"
        assert screen.query_one(Matrix).has_focus
        await errors.press(ui, "left", "up", "z", "enter", "enter")
        await ui.sees("dog → cat", "P cat .90" if size[0] == 80 else "P cat")
        await errors.press(ui, "escape", "escape", "escape")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_cases_follow_the_cell(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(160, 50) as ui:
        screen = await errors.open_errors(ui)
        assert [case.score for case in errors.table(screen).rows] == [0.9, 0.55]
        await errors.press(ui, "right", "right", "right")
        assert [case.kind for case in errors.table(screen).rows] == ["missed"]
        await ui.sees("dog missed", "1 case")
        await errors.press(ui, "down", "down", "left")
        assert [(case.kind, case.score) for case in errors.table(screen).rows] == [
            ("background", 0.7),
            ("extra_label", 0.6),
        ]
        await errors.press(ui, "down", "down")
        await ui.sees("extra label: eel")
        assert [case.kind for case in errors.table(screen).rows] == ["extra_label"]
        await errors.press(ui, "left")
        assert not errors.table(screen).rows
        await ui.sees("no case here", "0 cases")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SMALL_SIZES)
async def test_everything_follows_the_score(
    predicted: Any, drive: Any, errors: ModuleType, size: Any
) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "greater_than_sign", "greater_than_sign")
        await ui.sees("◂ 0.60 ▸")
        assert errors.cells(screen)[1] == [1, 0, 0, 2]
        assert [case.score for case in errors.table(screen).rows] == [0.9]
        for _ in range(7):
            await errors.press(ui, "less_than_sign")
        await ui.sees("◂ 0.25 ▸")
        assert errors.cells(screen)[3] == [0, 0, 3, 0]
        for _ in range(6):
            await errors.press(ui, "comma")
        assert screen.model.thresholds.score == 0.05
        await ui.sees("◂ 0.05 ▸ lowest")
        before = screen.model.view
        await errors.press(ui, "full_stop")
        assert screen.model.thresholds.score == 0.1
        assert screen.model.view is not before


async def test_iou_presets_and_suppression_over_classes(
    predicted: Any, drive: Any, errors: ModuleType
) -> None:
    async with drive(160, 50) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "i")
        await ui.sees("IoU 0.20")
        assert screen.model.view is not None
        assert screen.model.view.iou == 0.2
        await errors.press(ui, "i", "i", "A")
        await ui.sees("NMS over classes", "IoU 0.50")
        assert errors.cells(screen)[3] == [0, 0, 1, 0]
        await errors.press(ui, "A")
        assert errors.cells(screen) == errors.MATRIX


async def test_ways_to_look_at_the_matrix(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(160, 50) as ui:
        screen = await errors.open_errors(ui)
        row = next(line for line in ui.lines() if "1 cat" in line)
        assert "1" in row.split("cat", 1)[1].split("│")[0]
        await errors.press(ui, "d")
        await ui.sees("no diagonal")
        await errors.press(ui, "d", "N")
        await ui.sees("% of row", "[67]", "33")
        await errors.press(ui, "N")
        await ui.sees("% of column")
        await errors.press(ui, "N", "o")
        await ui.sees("by confusion")
        assert ui.text().index("2 dog") < ui.text().index("1 cat")
        seen = []
        for key in ("left", "z", "z", "z", "z"):
            await errors.press(ui, key)
            seen.append(screen.query_one(Matrix).cell)
        assert seen[1:] == [MatrixCell(1, 0), MatrixCell(None, 2), MatrixCell(1, None), MatrixCell(1, 0)]


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_pages(predicted: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "tab")
        await ui.sees(
            "[Kinds]", "dAP", "extra label", "background", "they do not add up" if size[0] > 110 else "dAP"
        )
        kinds = {
            row.key: row.cells["n"][0]
            for row in screen.query_one("#kinds", LineTable).rows
            if "n" in row.cells
        }
        assert kinds == {
            **{"correct": "1", "confused": "2", "missed": "1", "extra_label": "1", "background": "1"},
            **{"duplicate": "0", "loose": "0", "loose_wrong": "0"},
        }
        await errors.press(ui, "tab")
        await ui.sees("[Classes]", "AP50", "recall", "cat 2" if size[0] >= 110 else "dog")
        await errors.press(ui, "enter")
        await ui.sees("[PR]", "dog  nothing has a score")
        await errors.press(ui, "left")
        await ui.sees("cat  at score ≥ 0.50: recall 1.000, precision 0.333; 1 objects", "◆")
        await errors.press(ui, "left")
        await ui.sees("all classes together  at score ≥ 0.50: recall 0.250, precision 0.200", "┊")
        await errors.press(ui, "tab")
        await ui.sees("[Boxes]", "1.33 objects an image", "too many")
        assert [row.cells["more"][0] for row in screen.query_one("#images", LineTable).rows] == [
            "+1",
            "0",
            "0",
        ]
        await errors.press(ui, "enter")
        assert screen.model.step == "picture"
        assert len(errors.table(screen).rows) == 3
        await errors.press(ui, "escape", "escape")
        assert len(errors.table(screen).rows) == 2


async def test_cases_of_a_kind(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "tab")
        kinds = screen.query_one("#kinds", LineTable)
        kinds.select("background")
        await errors.press(ui, "enter")
        assert [case.score for case in errors.table(screen).rows] == [0.7]
        await errors.press(ui, "less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign")
        assert [case.score for case in errors.table(screen).rows] == [0.7, 0.3]
        await errors.press(ui, "escape")
        assert [case.kind for case in errors.table(screen).rows] == ["confused", "confused"]


async def test_another_checkpoint(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "c")
        await ui.sees("a01-e0003 val", "a01-e0002 val", "★ best")
        await ui.press("up", "enter")
        await ui.until(
            lambda: (
                screen.model.source is not None
                and screen.model.source.epoch == 3
                and screen.model.view is not None
            )
        )
        await errors.settled(ui)
        assert errors.cells(screen) == [[0, 0, 0, 1], [0, 0, 0, 3], [0, 0, 0, 0], [0, 0, 0, 0]]
        await ui.sees("@3")


async def test_from_the_table_of_checkpoints(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 34) as ui:
        await errors.press(ui, "enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await errors.press(ui, "2")
        await ui.sees("a01-e0003")
        screen = await errors.open_errors(ui)
        assert screen.model.source is not None
        assert screen.model.source.epoch == 3


async def test_nothing_measured(lab: Any, drive: Any, errors: ModuleType) -> None:
    lab.run(epochs=1)
    async with drive(80, 24) as ui:
        await ui.press("e")
        await ui.sees("no predictions yet: esc, then m measures", "they come with the")
        await errors.press(ui, "enter", "tab", "n", "1", "escape", "escape")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_a_damaged_file_is_a_sentence(lab: Any, drive: Any, errors: ModuleType) -> None:
    run = lab.run(epochs=1)
    run.predictions.mkdir(exist_ok=True)
    (run.predictions / "a01-e0001-val.npz").write_bytes(b"PK\x03\x04 no")
    async with drive(120, 34) as ui:
        await ui.press("e")
        await ui.until(lambda: isinstance(ui.app.screen, ErrorsScreen) and ui.app.screen.model.problem)
        said = ui.app.screen.query_one(Matrix).empty
        assert "a01-e0001-val.npz cannot be read" in said
        assert "measure the checkpoint again" in said
        # Wherever the sentence is broken into lines.
        await ui.sees("again.")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SMALL_SIZES)
async def test_classification(lab: Any, drive: Any, errors: ModuleType, tmp_path: Path, size: Any) -> None:
    run = lab.run(epochs=1)
    labels, guesses = [0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 0, 2]
    errors.write_classes(run.predictions / "a01-e0001-val.npz", tmp_path / "images", labels, guesses)
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await ui.sees("6 images", "accuracy 0.5000", "score ◂ 0.00 ▸")
        assert "missed" not in ui.text()
        assert "false alarm" not in ui.text()
        assert "IoU" not in ui.text()
        await errors.press(ui, "enter", "enter")
        await ui.sees("cat → dog", "▀", "1 of 2")
        rows = screen.query_one(BoxTable).rows
        assert [(row.letter, row.name, row.outcome) for row in rows[:2]] == [
            ("T", "cat", "confused"),
            ("P", "dog", "wrong"),
        ]
        await errors.press(ui, "tab", "tab", "tab", "tab")
        await ui.sees("[Right/wrong]", "✗ ", "✓ ")
        await errors.press(ui, "n", "escape")
        await ui.sees("[Matrix]")


@pytest.fixture
def diatoms(lab: Any, errors: ModuleType, tmp_path: Path) -> Any:
    made = lab.run(epochs=1)
    names, truth, found = errors.many()
    file = made.predictions / "a01-e0001-val.npz"
    errors.write_boxes(file, tmp_path / "images", names=names, truth=truth, found=found, pictures=False)
    return made


@pytest.mark.some(1)
@pytest.mark.parametrize("size", SIZES)
async def test_68_classes_scroll_under_frozen_names(
    diatoms: Any, drive: Any, errors: ModuleType, size: Any
) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await ui.sees("species0", "[2]", "missed", "false alarm")
        await errors.press(ui, "end", "left")
        await ui.sees(" 68 ", "species0", "missed", "false alarm", "[1]")
        for _ in range(70):
            await ui.press("pagedown")
            if screen.query_one(Matrix)._at[0] >= 67:
                break
        await errors.settled(ui)
        await ui.sees("false alarm", "missed")
        await errors.press(ui, "z")
        await ui.sees("[2]")
        assert all(len(line) <= size[0] for line in ui.lines())


async def test_groups_open_and_filter(diatoms: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(160, 50) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "g")
        await ui.sees("groups 1 word", "Genus00", "inside")
        matrix = screen.query_one(Matrix)
        assert matrix.counts.size == 17
        assert matrix.counts.cells[0][0] == 11
        assert matrix.counts.inside[0] == 2
        assert [case.score for case in errors.table(screen).rows] == [0.8]
        await errors.press(ui, "tab", "tab")
        await ui.sees("[Classes]", "group ", "AP re-matched", "Genus16")
        rows = {row.cells["name"][0]: row.cells for row in screen.query_one("#classes", LineTable).rows}
        assert len(rows) == 17
        assert (rows["Genus05"]["ap"][0], rows["Genus05"]["val"][0]) == ("1.0000", "12")
        assert rows["Genus00"]["confused"][0] == "Genus16 1"
        await errors.press(ui, "tab")
        await ui.sees("all groups together")
        await errors.press(ui, "right")
        await ui.sees("Genus00  at score ≥ 0.50: recall 0.917", "12 objects")
        await errors.press(ui, "shift+tab", "g")
        await ui.sees("groups by 2 words")
        await errors.press(ui, "g")
        await ui.sees("groups off", "class ")
        assert "re-matched" not in ui.text()
        await errors.press(ui, "g", "escape", "space")
        await ui.sees("groups off", "4 of 68 rows")
        assert matrix._class_rows == [0, 1, 2, 3]
        assert matrix._class_columns == [0, 1, 2, 3, 67]
        await errors.press(ui, "slash")
        await ui.type("species67")
        await ui.sees("1 of 68 rows")
        await errors.press(ui, "enter")
        assert matrix._class_rows == [67]
        assert matrix.has_focus
        await errors.press(ui, "escape")
        assert len(matrix._class_rows) == 68
        await errors.press(ui, "slash")
        await ui.type("species1")
        await errors.press(ui, "escape")
        assert len(matrix._class_rows) == 68


async def test_help_and_palette_know_the_keys(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 70) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "question_mark")
        await ui.sees("Keys and signs", "of any class", "percent of the row", "Sixel", "━ T")
        await ui.press("escape", "colon")
        await ui.type("normal")
        await ui.sees("Normalise")


async def test_likely_wrong_labels(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "tab", "end", "enter")
        await ui.sees("likely wrong labels")
        assert [case.score for case in errors.table(screen).rows] == [0.9, 0.7, 0.55]


async def test_colours_of_a_light_theme(predicted: Any, drive: Any, errors: ModuleType) -> None:
    async with drive(120, 34) as ui:
        screen = await errors.open_errors(ui)
        before = screen.query_one(Matrix).render_line(2)
        ui.app.theme = "labtui-light"
        await errors.settled(ui)
        assert screen.query_one(Matrix).render_line(2) != before
        await errors.press(ui, "enter", "enter")
        await ui.sees("T dog", "▀")
