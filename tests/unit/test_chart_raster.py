"""Dots: spikes stay, NaN breaks the line, lines are closed, nothing is drawn outside."""

from __future__ import annotations

import numpy as np
import pytest

from tui.chart.raster import cells, dots, dotted, glyphs


def draw(
    x: object, y: object, width: int = 40, height: int = 20, x_range: tuple[float, float] | None = None
) -> np.ndarray:
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return dots(xs, ys, x_range or (xs.min(), xs.max()), (0.0, 1.0), width, height)


def test_a_flat_line_is_one_row() -> None:
    grid = draw([0, 1, 2], [0.5, 0.5, 0.5])
    assert grid.sum() == 40
    assert grid.any(axis=1).sum() == 1


def test_corners_are_where_they_belong() -> None:
    grid = draw([0, 1], [0.0, 1.0])
    assert grid[0, 0]
    assert grid[-1, -1]
    assert not grid[-1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_line_has_no_holes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 1, rng.integers(2, 400)))
    grid = draw(x, rng.uniform(0, 1, len(x)))
    assert grid.any(axis=0).all()
    bottom, top = grid.argmax(axis=0), grid.shape[0] - 1 - grid[::-1].argmax(axis=0)
    assert (bottom[1:] <= top[:-1] + 1).all()
    assert (bottom[:-1] <= top[1:] + 1).all()
    for column in grid.T:
        inked = np.flatnonzero(column)
        assert (np.diff(inked) == 1).all(), "a column is one span"


def test_nan_breaks_the_line() -> None:
    grid = draw([0, 10, 20, 30, 40], [0.5, 0.5, np.nan, 0.5, 0.5], width=41)
    assert grid[:, :11].any(axis=0).all()
    assert not grid[:, 12:29].any()
    assert grid[:, 31:].any(axis=0).all()


def test_a_point_between_gaps_is_bigger_than_a_dot() -> None:
    grid = draw([0, 10, 20], [np.nan, 0.5, np.nan], width=21)
    assert grid.sum() == 4


def test_a_missing_value_does_not_break_the_line() -> None:
    """Validation every third epoch: three points, one line."""
    assert draw([3, 6, 9], [0.2, 0.4, 0.6]).any(axis=0).all()


def test_lines_from_outside_come_in_at_the_edge() -> None:
    grid = draw([-10, 10], [0.0, 1.0], x_range=(-1, 1))
    assert grid.any(axis=0).all()
    assert grid[9:11].any()
    assert not grid[:8].any()
    assert not grid[12:].any()


def test_values_beyond_the_range_are_not_drawn_at_its_edge() -> None:
    grid = draw([0, 1, 2], [2.0, 2.0, 2.0])
    assert not grid.any()


@pytest.mark.parametrize("size", [(0, 20), (20, 0)])
def test_no_room_is_no_error(size: tuple[int, int]) -> None:
    grid = dots(np.zeros(1), np.zeros(1), (0, 1), (0, 1), *size)
    assert not grid.any()


def test_braille_cells() -> None:
    grid = np.zeros((4, 2), dtype=bool)
    grid[3, 0] = grid[0, 1] = True
    assert cells(grid).tolist() == [[0x01 | 0x80]]
    assert glyphs("braille")[0x81] == "⢁"


def test_dotted_lines_are_lighter_and_stand_still() -> None:
    grid = draw([0, 1], [0.2, 0.8])
    light = dotted(grid)
    assert 0 < light.sum() < grid.sum()
    assert not light[:, 1::2].any()


@pytest.mark.parametrize("marker", ["braille", "quadrant", "ascii"])
def test_every_pattern_has_a_sign(marker: str) -> None:
    table = glyphs(marker)
    assert len(table) == 256
    assert table[0] in ("\u2800", " ")
    assert all(len(sign) == 1 for sign in table)
    assert table[255] in ("⣿", "█", ":")
