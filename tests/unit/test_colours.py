"""One table of colours: screens and saved pictures agree, and what is chosen is no truth."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from core.analysis import drawing
from core.colours import ROLES, rgb
from tui import theme
from tui.widgets.picture_boxes import BoxOutline, overlay


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize("current", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
def test_a_role_has_one_colour_and_no_other_has_it(role: str, current: Theme) -> None:
    colors = theme.palette(current)
    found = {name: colors.tone(name).color for name in ROLES}
    assert list(found.values()).count(found[role]) == 1
    if role not in ("chosen", "second"):
        named = {"truth": drawing.TRUTH, "predicted": drawing.PREDICTION, "right": drawing.RIGHT}
        assert named.get(role, drawing.WRONG) == rgb(role)
    if current.dark:
        tone = found[role]
        assert tone is not None
        assert tuple(tone.get_truecolor()) == rgb(role)


def test_right_and_wrong_are_those_of_the_theme() -> None:
    for current in (theme.DARK, theme.LIGHT):
        colors = theme.palette(current)
        assert (colors.good, colors.bad) == (colors.tone("right"), colors.tone("wrong"))
        assert isinstance(colors.tone("chosen"), Style)


@pytest.mark.parametrize(
    ("outline", "tone"),
    [
        (BoxOutline((2, 2, 20, 20), "a", True, False), "truth"),
        (BoxOutline((2, 2, 20, 20), "a", False, False, wrong=True), "predicted"),
        (BoxOutline((2, 2, 20, 20), "a", False, False, second=True), "second"),
        (BoxOutline((2, 2, 20, 20), "a", False, True), "predicted!"),
        (BoxOutline((2, 2, 20, 20), "a", False, True, wrong=True), "wrong!"),
        (BoxOutline((2, 2, 20, 20), "a", True, True, wrong=True), "wrong!"),
    ],
    ids=["truth", "other", "second", "case", "case-wrong", "missed"],
)
def test_boxes_take_their_role(outline: BoxOutline, tone: str) -> None:
    layers = frozenset(("truth", "predicted"))
    cells = overlay([outline], (0, 0, 40, 40), 1.0, 40, 20, layers)
    assert {cell[1] for cell in cells.values()} == {tone}


_GROUNDS = ("background", "surface", "panel")
_THEMES = {
    **{known.name: known for known in (theme.DARK, theme.LIGHT)},
    **{name: known for name, known in BUILTIN_THEMES.items() if not name.startswith("ansi")},
    "pale": Theme("pale", primary="#FFF5B0", success="#E0FFE0", background="#FFFFFF", dark=False),
}


@pytest.mark.parametrize("name", sorted(_THEMES))
def test_every_tone_can_be_read_on_every_ground_of_a_theme(name: str) -> None:
    grounds = [Color.parse(_THEMES[name].to_color_system().generate()[ground]) for ground in _GROUNDS]
    colors = theme.palette(_THEMES[name])
    tones = ["muted", "accent", "good", "warning", "bad", *ROLES, *(f"series{number}" for number in range(8))]
    for tone in tones:
        shown = colors.tone(tone).color
        assert shown is not None
        ratios = [theme.contrast(Color(*shown.get_truecolor()), ground) for ground in grounds]
        assert min(ratios) >= theme.LEAST_CONTRAST, f"{tone}: {ratios}"


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    white, black = Color(255, 255, 255), Color(0, 0, 0)
    assert theme.contrast(white, black) == pytest.approx(21)
    assert theme.readable(Color(0, 114, 178), [white]) == Color(0, 114, 178)
    mended = theme.readable(Color(240, 228, 66), [white])
    assert mended != Color(240, 228, 66)
    assert theme.contrast(mended, white) >= 3
