"""The numbers of a matrix, which cells are worst, and lines as wide as they are meant to be."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tui import theme
from tui.widgets.matrix_counts import MatrixCell, MatrixCounts, cell_words
from tui.widgets.matrix_draw import MatrixWindow, head, lay_out, line

CELLS = [[9, 2, 0, 274], [1, 7, 0, 0], [0, 2, 5, 43], [100, 3, 2, 0]]
NAMES = ("RBC", "규조류", "👩‍🔬 x")
COUNTS = MatrixCounts(NAMES, ("1", "2", "3"), CELLS, (("duplicate", [60, 3, 0]), ("background", [40, 0, 2])))


def test_worst_cells_come_one_after_the_other() -> None:
    # 274 missed objects come before a confusion of two, but not before one of 30.
    assert COUNTS.worst() == (0, 3)
    often = MatrixCounts(NAMES, ("1", "2", "3"), [[9, 30, 0, 274], *CELLS[1:]])
    assert often.worst() == (0, 1)
    assert COUNTS.ranked == [(0, 3), (3, 0), (2, 3), (3, 1), (0, 1), (2, 1), (3, 2), (1, 0)]


def test_of_classification_only_confusions_are_wrong() -> None:
    counts = MatrixCounts(NAMES, ("1", "2", "3"), CELLS, boxes=False)
    assert counts.ranked == [(0, 1), (2, 1), (1, 0)]


def test_nothing_wrong_anywhere() -> None:
    assert MatrixCounts(("a",), ("1",), [[3, 0], [0, 0]]).ranked == []
    assert MatrixCounts(("a",), ("1",), [[3, 0], [0, 0]]).worst() == (0, 0)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (MatrixCell(0, 1), "RBC → 규조류"),
        (MatrixCell(2, None), "👩‍🔬 x missed"),
        (MatrixCell(None, 1), "false alarm: 규조류"),
        (MatrixCell(None, None, "duplicate"), "duplicate"),
        (MatrixCell(1, 1), "규조류 right"),
        (None, "–"),
    ],
)
def test_cells_in_words(place: MatrixCell | None, words: str) -> None:
    assert cell_words(COUNTS, place) == words


@pytest.mark.parametrize("width", [24, 60, 100])
@pytest.mark.parametrize("normalised", ["", "row", "column"])
def test_columns_stand_below_each_other_whatever_the_names(width: int, normalised: str) -> None:
    rows = (0, 1, 2)
    layout = lay_out(COUNTS, 3, 3, (3, 4, 5), normalised, width, 20)
    columns = rows[: layout.across]
    look = MatrixWindow(
        rows, columns, False, False, False, False, (0, 1), True, False, normalised, True, "#111417"
    )
    colors = theme.palette(theme.DARK)
    drawn = [head(COUNTS, layout, look, colors)]
    drawn += [line(row, COUNTS, layout, look, colors) for row in (*rows, *layout.footer)]
    places = [
        [cell_len("".join(part.text for part in parts[:n])) for n in range(len(parts) + 1)] for parts in drawn
    ]
    assert len({tuple(place) for place in places}) == 1
    assert places[0][1] == layout.names
    if width == 100:
        cell = {"": "[2]", "row": "[1]", "column": "[14]"}[normalised]
        assert cell in "".join(part.text for part in drawn[1])
        assert " 2 규조류 " in "".join(part.text for part in drawn[2])


@pytest.mark.parametrize(("width", "whole"), [(46, False), (58, True), (100, True)])
def test_names_are_whole_where_there_is_room(width: int, whole: bool) -> None:
    """The longest is a kind of false alarm; all columns of classes stay."""
    kinds = (("loose + wrong class", (0, 0, 0)),)
    counts = MatrixCounts(("RBC", "WBC", "Platelets"), ("1", "2", "3"), [[531, 0, 0, 274]] * 4, kinds)
    layout = lay_out(counts, 3, 3, (3, 4), "", width, 20)
    assert layout.across >= 3
    assert (layout.names >= len("  loose + wrong class") + 1) == whole
