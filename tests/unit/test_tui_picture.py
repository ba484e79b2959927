"""Pictures as cells: shape kept, colours right, nothing wider than asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rich.color import ColorSystem

from tui.widgets.picture import Mode, fitted, scaled, strips

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def plain(color: tuple[int, int, int], height: int = 8, width: int = 8) -> np.ndarray:
    return np.full((height, width, 3), color, dtype=np.uint8)


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    """Black left, white right."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def draw(pixels: np.ndarray, columns: int, rows: int, mode: Mode = "half", *, dark: bool = True) -> list[Any]:
    """As large as fits, in its own shape."""
    height, width = pixels.shape[:2]
    room = fitted(height, width, columns, rows)
    return strips(scaled(pixels, *room), mode, dark=dark) if all(room) else []


@pytest.mark.parametrize(
    ("shape", "room", "cells"),
    [
        ((32, 32), (40, 20), (40, 20)),
        ((32, 32), (40, 10), (20, 10)),
        ((1584, 2112), (80, 30), (80, 30)),
        ((1584, 2112), (40, 30), (40, 15)),
        ((10, 1000), (50, 20), (50, 1)),
        ((1000, 10), (50, 20), (1, 20)),
        ((5, 5), (0, 3), (0, 0)),
    ],
)
def test_the_shape_is_kept(shape: tuple[int, int], room: tuple[int, int], cells: tuple[int, int]) -> None:
    assert fitted(*shape, *room) == cells


@pytest.mark.parametrize("mode", ["half", "shade"])
@pytest.mark.parametrize("room", [(1, 1), (3, 2), (17, 9), (80, 30)])
@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (7, 200), (300, 11)])
def test_lines_are_as_wide_as_the_picture(mode: str, room: tuple[int, int], shape: tuple[int, int]) -> None:
    lines = draw(gradient(*shape), *room, mode)  # type: ignore[arg-type]
    columns, rows = fitted(*shape, *room)
    assert [line.cell_length for line in lines] == [columns] * rows
    assert all(sum(len(segment.text) for segment in line) == columns for line in lines)


def test_upper_and_lower_pixel_are_one_cell() -> None:
    pixels = np.concatenate([plain(RED, 1, 3), plain(BLUE, 1, 3)])
    (line,) = strips(pixels)
    (segment,) = line
    assert segment.text == "▀▀▀"
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    assert segment.style.color.triplet == (248, 0, 0)
    assert segment.style.bgcolor.triplet == (0, 0, 248)


def test_larger_repeats_pixels_and_smaller_averages() -> None:
    checks = (np.indices((2, 2)).sum(axis=0) % 2)[..., None].repeat(3, axis=2).astype(np.uint8) * 255
    larger = scaled(checks, 8, 4)
    assert set(np.unique(larger).tolist()) == {0, 255}
    smaller = scaled(np.tile(checks, (50, 50, 1)), 5, 3)
    assert abs(smaller.astype(float).mean() - 127) < 15
    assert smaller.std() < 40


def test_colours_that_hardly_differ_are_one_run() -> None:
    rng = np.random.default_rng(0)
    noisy = (plain((96, 144, 200), 20, 40) + rng.integers(0, 4, (20, 40, 3))).astype(np.uint8)
    assert all(len(list(line)) == 1 for line in strips(noisy))


def test_shades_grow_with_brightness_and_turn_round_on_light_terminals() -> None:
    shades = " ░▒▓█"
    for dark in (True, False):
        line = "".join(segment.text for segment in draw(gradient(), 32, 12, "shade", dark=dark)[5])
        level = np.array([shades.index(sign) for sign in line])
        halves = level[:16].mean(), level[16:].mean()
        assert bool(halves[0] < halves[1]) is dark


@pytest.mark.parametrize(("color", "number"), [(RED, 9), (BLUE, 12), (WHITE, 15), ((250, 250, 20), 11)])
def test_hues_are_kept_with_sixteen_colours(color: tuple[int, int, int], number: int) -> None:
    (segment,) = strips(plain(color, 2, 4), "shade")[0]
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.color.downgrade(ColorSystem.STANDARD).number == number


def test_black_is_nothing_on_a_dark_terminal() -> None:
    assert all(set("".join(s.text for s in line)) == {" "} for line in strips(plain(BLACK), "shade"))
