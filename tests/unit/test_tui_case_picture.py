"""Boxes over a picture: which cells they take, where pictures go that stand side by side, what is listed."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from core.analysis.cases import Case, Shown, ShownBox, ShownObject
from tui.cell_text import signs
from tui.errors.model import Sight
from tui.errors.overlay import pair_rows, pair_sides, rows, sides
from tui.widgets.picture_areas import PictureArea, fit_scale, picture_areas, seen
from tui.widgets.picture_boxes import BoxOutline, overlay

ALL = frozenset(("truth", "predicted", "labels"))
NAMES = ("cat", "dog", "eel")
OUTLINES = [
    BoxOutline((10, 10, 60, 50), "cat", True, True, "o0"),
    BoxOutline((15, 12, 80, 70), "dog .94", False, True, "p0"),
    BoxOutline((70, 80, 90, 96), "[/x]", True, False, "o1"),
    BoxOutline((2, 60, 40, 96), "eel .20", False, False, "p1", hidden=True),
]
SHOWN = Shown(
    0,
    "a.png",
    (100, 100),
    (
        ShownObject(0, 0, (10, 10, 60, 50), "confused", 0),
        ShownObject(1, 1, (70, 80, 90, 96), "missed", None),
    ),
    (
        ShownBox(0, 1, 0.94, (15, 12, 80, 70), "confused", 0, 0.6),
        ShownBox(1, 2, 0.20, (2, 60, 40, 96), "dropped", None, 0.0),
    ),
)
CASE = Case(0, "a.png", 0, 1, 0.94, 0.6, "confused", 0, 0, 2, 1)


def drawn(layers: frozenset[str] = ALL, marked: str = "") -> dict[tuple[int, int], tuple[str, str, bool]]:
    return overlay(OUTLINES, (0, 0, 100, 100), 0.4, 40, 20, layers, marked)


def lines(cells: dict[tuple[int, int], tuple[str, str, bool]]) -> list[str]:
    return ["".join(cells.get((x, y), (" ",))[0] for x in range(40)) for y in range(20)]


def test_boxes_in_lines_and_labels_in_text() -> None:
    found = drawn()
    text = lines(found)
    assert text[2].startswith("    ┏ T cat ")
    assert text[5][4] == "┃"
    assert text[5][6] == "┆"
    assert " P dog .94 " in text[13]
    assert any("[/x]" in line or "[/" in line for line in text)
    assert all(x < 40 and y < 20 for x, y in found)
    assert "eel" not in "".join(text)


@pytest.mark.parametrize(
    ("layers", "there"),
    [
        ({"truth", "only"}, "┃━┏┓┗┛"),
        ({"truth"}, "┃━┏┓┗┛"),
        ({"predicted"}, "┄┆┌┐└┘"),
        ({"labels"}, ""),
    ],
)
def test_layers(layers: set[str], there: str) -> None:
    assert {cell[0] for cell in drawn(frozenset(layers)).values()} == set(there)


def test_only_leaves_the_boxes_of_the_case() -> None:
    assert max(y for _, y in drawn(frozenset(("truth", "only")))) < 16
    assert max(y for _, y in drawn(frozenset(("truth",)))) >= 16


@pytest.mark.parametrize(("key", "label"), [("p0", "▸P dog .94 "), ("o1", "▸T [/x]"), ("p1", "▸P eel .20 ")])
@pytest.mark.parametrize("layers", [ALL, frozenset(("truth", "only")), frozenset()])
def test_the_marked_box_is_drawn_whatever_else_is(key: str, label: str, layers: frozenset[str]) -> None:
    found = drawn(layers, key)
    assert label in "\n".join(lines(found))
    assert "chosen!" in {tone for _, tone, _ in found.values()}
    assert "chosen!" not in {tone for _, tone, _ in drawn(layers).values()}


@pytest.mark.parametrize(
    "label",
    [
        "규조류",
        "👩‍🔬 lab",
        "👍🏽 ok",
        "🇰🇷 kr",
        "e\u0301te\u0301",
        "שלום",
        "سلام",
        "❤\ufe0f",
        "\u0301",
        "a\u200db",
    ],
)
def test_labels_take_the_cells_of_their_letters(label: str) -> None:
    found = overlay(
        [BoxOutline((0, 0, 90, 90), label, True, True)],
        (0, 0, 100, 100),
        0.4,
        40,
        20,
        frozenset(("truth", "labels")),
    )
    row = sorted((x, sign) for (x, y), (sign, _, through) in found.items() if not through)
    assert "".join(sign for _, sign in row) == f" T {label} "
    ends = [x + cell_len(sign) for x, sign in row]
    assert [x for x, _ in row[1:]] == ends[:-1]
    assert sum(width for _, width in signs(label)) == cell_len(label)


@pytest.mark.parametrize(
    ("width", "height", "picture", "expected"),
    [
        (81, 20, (160, 120), (PictureArea(0, 1, 40, 19, True), PictureArea(41, 1, 40, 19, True))),
        (30, 50, (160, 120), (PictureArea(0, 1, 30, 24, True), PictureArea(0, 26, 30, 24, True))),
        (80, 20, (1000, 50), (PictureArea(0, 1, 80, 9, True), PictureArea(0, 11, 80, 9, True))),
        (80, 20, (50, 1000), (PictureArea(0, 1, 39, 19, True), PictureArea(40, 1, 39, 19, True))),
        (1, 1, (10, 10), (PictureArea(0, 1, 1, 1, True), PictureArea(2, 1, 1, 1, True))),
    ],
)
def test_two_pictures_stand_where_more_is_seen(
    width: int, height: int, picture: tuple[int, int], expected: tuple[PictureArea, ...]
) -> None:
    assert picture_areas(2, width, height, picture) == expected
    assert picture_areas(1, width, height, picture) == (PictureArea(0, 0, width, height, False),)


def test_the_part_that_is_seen_stays_in_the_picture() -> None:
    area = PictureArea(0, 0, 40, 20, False)
    scale = fit_scale(40, 20, (160, 80))
    assert scale == 0.25
    assert seen(area, (160, 80), scale, None) == (0, 0, 160, 80)
    assert seen(area, (160, 80), 4 * scale, (0, 0)) == (0, 0, 40, 40)
    assert seen(area, (160, 80), 4 * scale, (500, 70)) == (120, 40, 160, 80)
    assert fit_scale(40, 20, (0, 80)) == 0


def test_truth_and_predictions_on_sides_of_their_own() -> None:
    sight = Sight(0, CASE)
    (whole,) = sides(SHOWN, sight, NAMES, beside=False)
    assert [(outline.key, outline.main, outline.hidden) for outline in whole.outlines] == [
        ("o0", True, False),
        ("o1", False, False),
        ("p0", True, False),
        ("p1", False, True),
    ]
    left, right = sides(SHOWN, sight, NAMES, beside=True)
    assert (left.caption, right.caption) == ("truth 2", "predictions 1")
    assert (left.outlines, right.outlines) == (whole.outlines[:2], whole.outlines[2:])
    assert right.outlines[0].label == "dog .94"


def test_two_models_each_with_the_truth() -> None:
    second = Shown(
        0, "a.png", (100, 100), SHOWN.objects, (ShownBox(7, 0, 0.8, (9, 9, 61, 51), "correct", 0, 0.9),)
    )
    sight = Sight(0, None, 0, "cat")
    left, right = pair_sides(SHOWN, second, sight, NAMES, ("one@5", "two@12"))
    assert (left.caption, right.caption) == ("A one@5", "B two@12")
    assert [(outline.key, outline.main) for outline in right.outlines] == [
        ("o0", True),
        ("o1", False),
        ("B7", True),
    ]
    assert [outline.key for outline in left.outlines] == ["o0", "o1", "A0", "A1"]
    listed = pair_rows(SHOWN, second, sight, NAMES)
    assert [(row.key, row.letter, row.outcome) for row in listed] == [
        ("o0", "T", "confused"),
        ("A0", "A", "confused"),
        ("B7", "B", "correct"),
        ("o1", "T", "missed"),
        ("A1", "A", "below threshold"),
    ]


def test_without_truth_there_is_no_outcome() -> None:
    new = Shown(0, "a.png", (100, 100), (), SHOWN.boxes)
    listed = rows(new, Sight(0), NAMES, (), labelled=False)
    assert [(row.key, row.outcome, row.iou) for row in listed] == [
        ("p0", "", None),
        ("p1", "below threshold", None),
    ]
    assert [outline.hidden for outline in sides(new, Sight(0), NAMES, beside=False)[0].outlines] == [
        False,
        True,
    ]
