"""Errors of a run: matrix, cases of a cell, pictures with boxes, thresholds, pages, judgements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.store.judgements import read_judgements
from tui.screens.errors import ErrorsScreen
from tui.screens.run import RunScreen
from tui.screens.runs import RunsScreen
from tui.widgets.case_picture import CasePicture
from tui.widgets.case_table import BoxTable, CaseTable, PlainTable
from tui.widgets.matrix import Matrix
from tui.widgets.picture_boxes import Frame, overlay

SIZES = [(80, 24), (120, 34), (160, 50)]
NAMES = ("cat", "dog", "eel")
ALL = frozenset(("truth", "predicted", "labels"))

# Image 0: a cat found, a dog taken for a cat (0.9) with an extra label on the first cat (0.6).
# Image 1: a dog missed, a box on nothing (0.7), another below the usual threshold (0.3).
# Image 2: a dog taken for a cat (0.55).
TRUTH = [
    [(10, 10, 50, 50, 0), (60, 10, 110, 60, 1)],
    [(20, 20, 60, 60, 1)],
    [(30, 30, 90, 90, 1)],
]
FOUND = [
    [(10, 10, 50, 50, 0, 0.95), (60, 10, 110, 62, 0, 0.9), (11, 10, 50, 50, 2, 0.6)],
    [(100, 80, 140, 110, 2, 0.7), (100, 10, 140, 50, 2, 0.3)],
    [(30, 30, 90, 88, 0, 0.55)],
]
MATRIX = [[1, 0, 0, 0], [2, 0, 0, 1], [0, 0, 0, 0], [0, 0, 2, 0]]


def write_boxes(
    file: Path,
    root: Path,
    *,
    names: tuple[str, ...] = NAMES,
    truth: list[Any] = TRUTH,
    found: list[Any] = FOUND,
    paths: list[str] | None = None,
    floor: float = 0.05,
    pictures: bool = True,
) -> None:
    """A predictions file of boxes as measuring leaves it, with its images."""
    paths = paths if paths is not None else [f"{number:04d}.png" for number in range(len(truth))]
    root.mkdir(parents=True, exist_ok=True)
    if pictures:
        for number, path in enumerate(paths):
            Image.new("RGB", (160, 120), (40 * number % 255, 90, 160)).save(root / path)
    real = np.array([row for rows in truth for row in rows], float).reshape(-1, 5)
    seen = np.array([row for rows in found for row in rows], float).reshape(-1, 6)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        image_offsets=np.cumsum([0, *map(len, found)]),
        boxes=seen[:, :4],
        labels=seen[:, 4].astype(int),
        scores=seen[:, 5],
        sizes=np.array([[160, 120]] * len(truth)),
        score_floor=np.array(floor),
        nms_iou=np.array(0.5),
        max_det=np.array(100),
        gt_offsets=np.cumsum([0, *map(len, truth)]),
        gt_boxes=real[:, :4],
        gt_labels=real[:, 4].astype(int),
        gt_crowd=np.zeros(len(real), bool),
        gt_difficult=np.zeros(len(real), bool),
        gt_area=(real[:, 2] - real[:, 0]) * (real[:, 3] - real[:, 1]),
        gt_source=np.zeros(len(real), int),
        ignore_difficult=np.array(True),
        class_names=np.array(names),
        paths=np.array(paths),
        root=np.array(str(root)),
        format=np.array(1),
        checkpoint=np.array("a01-e0002"),
        sha256=np.array(""),
    )


def write_classes(file: Path, root: Path, labels: list[int], guesses: list[int]) -> None:
    """A predictions file of a classifier."""
    root.mkdir(parents=True, exist_ok=True)
    probabilities = np.full((len(labels), 3), 0.1, np.float32)
    probabilities[np.arange(len(labels)), guesses] = 0.8
    paths = [f"{number}.png" for number in range(len(labels))]
    for path in paths:
        Image.new("RGB", (8, 8), "red").save(root / path)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        probabilities=probabilities,
        labels=np.array(labels),
        class_names=np.array(NAMES),
        paths=np.array(paths),
        root=np.array(str(root)),
        format=np.array(1),
    )


@pytest.fixture
def run(lab: Any, tmp_path: Path) -> Any:
    made = lab.run(epochs=3, best=2)
    write_boxes(made.predictions / "a01-e0002-val.npz", tmp_path / "images")
    write_boxes(made.predictions / "a01-e0003-val.npz", tmp_path / "images", found=[[], [], []])
    return made


async def settled(ui: Any) -> None:
    """Wait until nothing is computed any more."""
    await ui.pilot.pause()
    await ui.until(lambda: not isinstance(ui.app.screen, ErrorsScreen) or ui.app.screen.newest.idle)
    await ui.pilot.pause()


async def press(ui: Any, *keys: str) -> None:
    for key in keys:
        await ui.press(key)
        await settled(ui)


async def open_errors(ui: Any) -> ErrorsScreen:
    await ui.press("e")
    await ui.until(lambda: isinstance(ui.app.screen, ErrorsScreen))
    screen: ErrorsScreen = ui.app.screen
    await ui.until(lambda: screen.view is not None)
    await settled(ui)
    return screen


def table(screen: ErrorsScreen) -> CaseTable:
    return screen.query_one("#cases", CaseTable)


def cells(screen: ErrorsScreen) -> list[list[int]]:
    return [list(row) for row in screen.query_one(Matrix).counts.cells]


@pytest.mark.parametrize("size", SIZES)
async def test_from_runs_to_the_worst_picture_in_three_keys(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await ui.sees("@2", "3 im", "4 obj", "score ◂ 0.50 ▸", "IoU 0.50", "(all scores)")
        assert cells(screen) == MATRIX
        await ui.sees("[2]", "missed", "false alarm", "extra label", "background")
        await press(ui, "enter", "enter")
        await ui.sees("T dog", "P cat .90", "┏", "┄", "▀", "0000.png" if size[0] >= 110 else "dog → cat")
        assert screen.step == "picture"
        assert ui.app.screen.query_one(CasePicture).has_focus
        await ui.sees("dog → cat", "1 of 2", "judged: –")
        assert len(ui.lines()) == size[1]


@pytest.mark.parametrize("size", SIZES)
async def test_next_case_and_back_step_by_step(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await press(ui, "enter", "enter", "n")
        await ui.sees("P cat .55", "2 of 2")
        await press(ui, "b")
        await ui.sees("P cat .90", "1 of 2")
        await press(ui, "n", "escape")
        assert screen.step == "cases"
        assert table(screen).cursor == 1
        await press(ui, "escape")
        assert screen.step == "matrix"
        assert screen.query_one(Matrix).has_focus
        await press(ui, "escape")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_cases_follow_the_cell(run: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        screen = await open_errors(ui)
        assert [case.score for case in table(screen).rows] == [0.9, 0.55]
        await press(ui, "right", "right", "right")
        assert [case.kind for case in table(screen).rows] == ["missed"]
        await ui.sees("dog missed", "1 case")
        await press(ui, "down", "down", "left")
        assert [(case.kind, case.score) for case in table(screen).rows] == [
            ("background", 0.7),
            ("extra_label", 0.6),
        ]
        await press(ui, "down", "down")
        await ui.sees("extra label: eel")
        assert [case.kind for case in table(screen).rows] == ["extra_label"]
        await press(ui, "left")
        assert not table(screen).rows
        await ui.sees("no case here", "0 cases")


@pytest.mark.parametrize("size", SIZES)
async def test_everything_follows_the_score(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await press(ui, "greater_than_sign", "greater_than_sign")
        await ui.sees("◂ 0.60 ▸")
        assert cells(screen)[1] == [1, 0, 0, 2]
        assert [case.score for case in table(screen).rows] == [0.9]
        for _ in range(7):
            await press(ui, "less_than_sign")
        await ui.sees("◂ 0.25 ▸")
        assert cells(screen)[3] == [0, 0, 3, 0]
        for _ in range(6):
            await press(ui, "comma")
        assert screen.thresholds.score == 0.05
        await ui.sees("◂ 0.05 ▸ lowest")
        before = screen.view
        await press(ui, "full_stop")
        assert screen.thresholds.score == 0.1
        assert screen.view is not before


async def test_iou_presets_and_suppression_over_classes(run: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        screen = await open_errors(ui)
        await press(ui, "i")
        await ui.sees("IoU 0.20")
        assert screen.view is not None
        assert screen.view.iou == 0.2
        await press(ui, "i", "i", "A")
        await ui.sees("NMS over classes", "IoU 0.50")
        assert cells(screen)[3] == [0, 0, 1, 0]
        await press(ui, "A")
        assert cells(screen) == MATRIX


async def test_ways_to_look_at_the_matrix(run: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        await open_errors(ui)
        row = next(line for line in ui.lines() if "1 cat" in line)
        assert "1" in row.split("cat", 1)[1].split("│")[0]
        await press(ui, "d")
        await ui.sees("no diagonal")
        await press(ui, "d", "N")
        await ui.sees("% of row", "[67]", "33")
        await press(ui, "N")
        await ui.sees("% of column")
        await press(ui, "N", "o")
        await ui.sees("by confusion")
        assert ui.text().index("2 dog") < ui.text().index("1 cat")


def test_boxes_in_lines_and_labels_in_text() -> None:
    frames = [
        Frame((10, 10, 60, 50), "cat", True, True),
        Frame((15, 12, 80, 70), "dog .94", False, True),
        Frame((70, 80, 90, 96), "[/x]", True, False),
    ]
    found = overlay(frames, (0, 0, 100, 100), 0.4, 40, 20, ALL)
    lines = ["".join(found.get((x, y), (" ",))[0] for x in range(40)) for y in range(20)]
    assert lines[2].startswith("    ┏ T cat ")
    assert lines[5][4] == "┃"
    assert lines[5][6] == "┆"
    assert " P dog .94 " in lines[13]
    assert any("[/x]" in line or "[/" in line for line in lines)
    assert all(x < 40 and y < 20 for x, y in found)
    alone = overlay(frames, (0, 0, 100, 100), 0.4, 40, 20, frozenset(("truth", "only")))
    assert {cell[0] for cell in alone.values()} == set("┏━┓┃┗┛")


def test_a_wide_letter_takes_two_cells() -> None:
    found = overlay([Frame((0, 0, 90, 90), "규조류", True, True)], (0, 0, 100, 100), 0.4, 40, 20, ALL)
    assert found[4, 0][0] == "규"
    assert (5, 0) not in found
    assert found[6, 0][0] == "조"


@pytest.mark.parametrize("size", SIZES)
async def test_zoom_pan_and_layers(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await press(ui, "enter", "enter")
        picture = screen.query_one(CasePicture)
        whole = picture._region()
        assert whole == (0.0, 0.0, 160.0, 120.0)
        await press(ui, "x")
        near = picture._region()
        assert near[0] <= 60
        assert near[2] >= 110
        assert near[2] - near[0] < 160
        await press(ui, "plus", "right", "down")
        moved = picture._region()
        assert moved[0] > near[0] or moved[2] == 160
        await press(ui, "0")
        assert picture._region() == whole
        await press(ui, "t")
        await ui.sees("no truth")
        assert " T dog " not in ui.text()
        assert "P cat .90" in ui.text()
        await press(ui, "t", "p", "L")
        await ui.sees("no predicted, labels")
        assert "┄" not in ui.text()
        assert "┏" in ui.text()
        await press(ui, "p", "L", "e")
        await ui.sees("only this error")
        assert "P eel .60" not in ui.text()


async def test_boxes_are_listed_with_their_outcome(run: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        screen = await open_errors(ui)
        await press(ui, "enter", "enter")
        rows = screen.query_one(BoxTable).rows
        assert [(row.letter, row.name, row.outcome, row.main) for row in rows] == [
            ("T", "dog", "confused", True),
            ("P", "cat", "confused", True),
            ("T", "cat", "right", False),
            ("P", "cat", "right", False),
            ("P", "eel", "extra label", False),
        ]
        assert rows[1].score == 0.9
        assert rows[1].iou == pytest.approx(2500 / 2600)


async def test_missing_images_keep_their_boxes(run: Any, drive: Any, tmp_path: Path) -> None:
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    async with drive(160, 50) as ui:
        await open_errors(ui)
        await press(ui, "enter", "enter")
        await ui.sees("R says where they are", "0000.png is not in", "T dog", "P cat .90")
        assert "▀" not in ui.text()
        await press(ui, "R")
        await ui.sees("Where are the images?")
        for sign in str(tmp_path / "elsewhere"):
            await ui.press({"/": "slash", "-": "minus", "_": "underscore", ".": "full_stop"}.get(sign, sign))
        await press(ui, "enter")
        await ui.sees("▀", "T dog")
        assert "is not in" not in ui.text()


@pytest.mark.parametrize("size", SIZES)
async def test_pages(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await press(ui, "tab")
        await ui.sees(
            "[Kinds]", "dAP", "extra label", "background", "they do not add up" if size[0] > 110 else "dAP"
        )
        kinds = {
            row.key: row.cells["n"][0]
            for row in screen.query_one("#kinds", PlainTable).rows
            if "n" in row.cells
        }
        assert kinds == {
            **{"correct": "1", "confused": "2", "missed": "1", "extra_label": "1", "background": "1"},
            **{"duplicate": "0", "loose": "0", "loose_wrong": "0"},
        }
        await press(ui, "tab")
        await ui.sees("[Classes]", "AP50", "recall", "cat 2" if size[0] >= 110 else "dog")
        await press(ui, "enter")
        await ui.sees("[PR]", "dog  nothing has a score")
        await press(ui, "left")
        await ui.sees("cat  at score ≥ 0.50: recall 1.000, precision 0.333; 1 objects", "◆")
        await press(ui, "left")
        await ui.sees("all classes together  at score ≥ 0.50: recall 0.250, precision 0.200", "┊")
        await press(ui, "tab")
        await ui.sees("[Boxes]", "1.33 objects an image", "too many")
        assert [row.cells["more"][0] for row in screen.query_one("#images", PlainTable).rows] == [
            "+1",
            "0",
            "0",
        ]
        await press(ui, "enter")
        assert screen.step == "picture"
        assert len(table(screen).rows) == 3
        await press(ui, "escape", "escape")
        assert len(table(screen).rows) == 2


async def test_cases_of_a_kind(run: Any, drive: Any) -> None:
    async with drive(120, 34) as ui:
        screen = await open_errors(ui)
        await press(ui, "tab")
        kinds = screen.query_one("#kinds", PlainTable)
        kinds.select("background")
        await press(ui, "enter")
        assert [case.score for case in table(screen).rows] == [0.7]
        await press(ui, "less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign")
        assert [case.score for case in table(screen).rows] == [0.7, 0.3]
        await press(ui, "escape")
        assert [case.kind for case in table(screen).rows] == ["confused", "confused"]


@pytest.mark.parametrize("size", SIZES)
async def test_judgements_are_kept(run: Any, drive: Any, size: Any) -> None:
    file = run.predictions / "a01-e0002-val.npz"
    async with drive(*size) as ui:
        await open_errors(ui)
        await press(ui, "enter", "enter", "2")
        await ui.sees("judged: label wrong")
        await press(ui, "m")
        await ui.sees("A note on this case")
        await ui.type("no [/] dog")
        await press(ui, "enter")
        await ui.sees("no [/] dog")
        await press(ui, "n", "1")
        await ui.sees("judged: model wrong")
        await press(ui, "3")
        await ui.sees("judged: unclear")
        await press(ui, "3")
        await ui.sees("judged: –")
        (kept,) = read_judgements(file).values()
        assert (kept.verdict, kept.note, kept.truth, kept.predicted) == (
            "label wrong",
            "no [/] dog",
            "dog",
            "cat",
        )
    async with drive(*size) as ui:
        await open_errors(ui)
        await press(ui, "enter", "enter")
        await ui.sees("judged: label wrong · no [/] dog")


async def test_another_checkpoint(run: Any, drive: Any) -> None:
    async with drive(120, 34) as ui:
        screen = await open_errors(ui)
        await press(ui, "c")
        await ui.sees("a01-e0003 val", "a01-e0002 val", "★ best")
        await ui.press("up", "enter")
        await ui.until(
            lambda: screen.source is not None and screen.source.epoch == 3 and screen.view is not None
        )
        await settled(ui)
        assert cells(screen) == [[0, 0, 0, 1], [0, 0, 0, 3], [0, 0, 0, 0], [0, 0, 0, 0]]
        await ui.sees("@3")


async def test_from_the_table_of_checkpoints(run: Any, drive: Any) -> None:
    async with drive(120, 34) as ui:
        await press(ui, "enter")
        await ui.until(lambda: isinstance(ui.app.screen, RunScreen))
        await press(ui, "2")
        await ui.sees("a01-e0003")
        screen = await open_errors(ui)
        assert screen.source is not None
        assert screen.source.epoch == 3


async def test_nothing_measured(lab: Any, drive: Any) -> None:
    lab.run(epochs=1)
    async with drive(80, 24) as ui:
        await ui.press("e")
        await ui.sees("no predictions yet: esc, then m measures", "they come with the")
        await press(ui, "enter", "tab", "n", "1", "escape", "escape")
        assert isinstance(ui.app.screen, RunsScreen)


async def test_a_damaged_file_is_a_sentence(lab: Any, drive: Any) -> None:
    run = lab.run(epochs=1)
    run.predictions.mkdir(exist_ok=True)
    (run.predictions / "a01-e0001-val.npz").write_bytes(b"PK\x03\x04 no")
    async with drive(120, 34) as ui:
        await ui.press("e")
        await ui.sees("a01-e0001-val.npz", "cannot be read", "measure the")


@pytest.mark.parametrize("size", SIZES)
async def test_classification(lab: Any, drive: Any, tmp_path: Path, size: Any) -> None:
    run = lab.run(epochs=1)
    labels, guesses = [0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 0, 2]
    write_classes(run.predictions / "a01-e0001-val.npz", tmp_path / "images", labels, guesses)
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await ui.sees("6 images", "accuracy 0.5000", "score ◂ 0.00 ▸")
        assert "missed" not in ui.text()
        assert "false alarm" not in ui.text()
        assert "IoU" not in ui.text()
        await press(ui, "enter", "enter")
        await ui.sees("cat → dog", "▀", "1 of 2")
        rows = screen.query_one(BoxTable).rows
        assert [(row.letter, row.name, row.outcome) for row in rows[:2]] == [
            ("T", "cat", "confused"),
            ("P", "dog", "wrong"),
        ]
        await press(ui, "tab", "tab", "tab", "tab")
        await ui.sees("[Right/wrong]", "✗ ", "✓ ")
        await press(ui, "n", "escape")
        await ui.sees("[Matrix]")


def many() -> tuple[tuple[str, ...], list[Any], list[Any]]:
    """68 classes of 17 genera; the first is taken for the last once, for its neighbour twice."""
    names = tuple(f"Genus{number // 4:02d} species{number}" for number in range(68))
    truth = [[(10, 10, 60, 60, number)] for number in range(68) for _ in range(3)]
    found = [[(10, 10, 60, 60, row[0][4], 0.9)] for row in truth]
    for image, label in ((0, 67), (1, 1), (2, 1)):
        found[image] = [(10, 10, 60, 60, label, 0.8)]
    return names, truth, found


@pytest.fixture
def diatoms(lab: Any, tmp_path: Path) -> Any:
    made = lab.run(epochs=1)
    names, truth, found = many()
    file = made.predictions / "a01-e0001-val.npz"
    write_boxes(file, tmp_path / "images", names=names, truth=truth, found=found, pictures=False)
    return made


@pytest.mark.parametrize("size", SIZES)
async def test_68_classes_scroll_under_frozen_names(diatoms: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await ui.sees("species0", "[2]", "missed", "false alarm")
        await press(ui, "end", "left")
        await ui.sees(" 68 ", "species0", "missed", "false alarm", "[1]")
        for _ in range(70):
            await ui.press("pagedown")
            if screen.query_one(Matrix)._at[0] >= 67:
                break
        await settled(ui)
        await ui.sees("false alarm", "missed")
        await press(ui, "z")
        await ui.sees("[2]")
        assert all(len(line) <= size[0] for line in ui.lines())


async def test_groups_open_and_filter(diatoms: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        screen = await open_errors(ui)
        await press(ui, "g")
        await ui.sees("groups 1 word", "Genus00", "inside")
        matrix = screen.query_one(Matrix)
        assert matrix.counts.size == 17
        assert matrix.counts.cells[0][0] == 11
        assert matrix.counts.inside[0] == 2
        assert [case.score for case in table(screen).rows] == [0.8]
        await press(ui, "space")
        await ui.sees("groups off", "4 of 68 rows")
        assert matrix._class_rows == [0, 1, 2, 3]
        assert matrix._class_columns == [0, 1, 2, 3, 67]
        await press(ui, "slash")
        await ui.type("species67")
        await ui.sees("1 of 68 rows")
        await press(ui, "enter")
        assert matrix._class_rows == [67]
        assert matrix.has_focus
        await press(ui, "escape")
        assert len(matrix._class_rows) == 68
        await press(ui, "slash")
        await ui.type("species1")
        await press(ui, "escape")
        assert len(matrix._class_rows) == 68


HOSTILE = ("[bold]cat[/]", "\x1b[31mdog\x07", "규조류 Épi\u202e😀")


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_names_letter_for_letter(lab: Any, drive: Any, tmp_path: Path, size: Any) -> None:
    run = lab.run(epochs=1, name="run [/] x")
    truth = [[(10, 10, 150, 110, 2)], [(10, 10, 150, 110, 0)]]
    found = [[(10, 10, 150, 110, 1, 0.9)], [(10, 10, 150, 110, 2, 0.8)]]
    paths = ["[a] [red]\x1b[2J.png", "규\u202e.png"]
    file = run.predictions / "a01-e0001-val.npz"
    write_boxes(file, tmp_path / "images", names=HOSTILE, truth=truth, found=found, paths=paths)
    async with drive(*size) as ui:
        await open_errors(ui)
        for keys in ((), ("enter",), ("enter",), ("tab",), ("tab",), ("tab",), ("tab",)):
            await press(ui, *keys)
            for line in ui.lines():
                assert not [sign for sign in line if ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0]
                assert "\u202e" not in line
        await press(ui, "escape")
        await ui.sees("T [bold]cat[/]", "P 규조류")
        await press(ui, "escape", "escape")
        await ui.sees("[bold]cat[/]", "␛[31mdog␇", "규조류")


@pytest.mark.parametrize("colours", ["standard", "no_color"])
async def test_few_colours(run: Any, drive: Any, monkeypatch: pytest.MonkeyPatch, colours: str) -> None:
    if colours == "no_color":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    async with drive(120, 34) as ui:
        await open_errors(ui)
        await press(ui, "enter", "enter")
        await ui.sees("T dog", "P cat .90", "┏", "┄")
        await press(ui, "tab", "tab", "tab", "tab", "tab")


async def test_help_and_palette_know_the_keys(run: Any, drive: Any) -> None:
    async with drive(120, 40) as ui:
        await open_errors(ui)
        await press(ui, "question_mark")
        await ui.sees("Keys and signs", "NMS over classes", "where the images are", "normalise")
        await ui.press("escape", "colon")
        await ui.type("normal")
        await ui.sees("Normalise")


async def test_likely_wrong_labels(run: Any, drive: Any) -> None:
    async with drive(120, 34) as ui:
        screen = await open_errors(ui)
        await press(ui, "tab", "end", "enter")
        await ui.sees("likely wrong labels")
        assert [case.score for case in table(screen).rows] == [0.9, 0.7, 0.55]


@pytest.mark.parametrize("size", SIZES)
async def test_one_checkpoint_against_another(run: Any, drive: Any, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await open_errors(ui)
        await press(ui, "shift+tab")
        await ui.sees("[A/B]", "a chooses predictions")
        await press(ui, "a")
        await ui.sees("Compare demo-", "a01-e0003 val")
        await ui.press("enter")
        await ui.sees("fixed 0", "broken 1", "still wrong 3", "map ")
        rows = screen.query_one("#changes", PlainTable).rows
        assert [row.cells["state"][0] for row in rows] == [
            "broken",
            "still wrong",
            "still wrong",
            "still wrong",
        ]
        await press(ui, "enter")
        assert screen.step == "picture"
        await ui.sees("T cat")


async def test_pictures_are_written(run: Any, drive: Any, lab: Any) -> None:
    folder = lab.workspace.root / "pictures"
    async with drive(120, 34) as ui:
        await open_errors(ui)
        await press(ui, "w")
        await ui.until(lambda: list(folder.glob("*-matrix-1.png")))
        await press(ui, "enter", "w", "w")
        await ui.until(lambda: len(list(folder.glob("*-case-00000-confused-*.png"))) == 2)
        with Image.open(next(folder.glob("*-case-*-1.png"))) as image:
            assert image.format == "PNG"


async def test_a_smaller_terminal_keeps_the_step(run: Any, drive: Any) -> None:
    async with drive(160, 50) as ui:
        screen = await open_errors(ui)
        await press(ui, "enter", "enter", "n")
        await ui.pilot.resize_terminal(80, 24)
        await settled(ui)
        await ui.sees("P cat .55", "2 of 2", "T dog")
        assert screen.step == "picture"
        await ui.pilot.resize_terminal(120, 34)
        await settled(ui)
        await press(ui, "escape", "escape")
        await ui.sees("false alarm", "[2]")


async def test_colours_of_a_light_theme(run: Any, drive: Any) -> None:
    async with drive(120, 34) as ui:
        screen = await open_errors(ui)
        before = screen.query_one(Matrix).render_line(2)
        ui.app.theme = "labtui-light"
        await settled(ui)
        assert screen.query_one(Matrix).render_line(2) != before
        await press(ui, "enter", "enter")
        await ui.sees("T dog", "▀")
