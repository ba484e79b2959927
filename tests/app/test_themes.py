"""Themes: what is written can be read, also after the theme was changed under way."""

from __future__ import annotations

from typing import Any

import pytest
from rich.color import Color

from tui.app import LabApp
from tui.read.choices import Choices


def luminance(color: Color) -> float:
    """Relative luminance as in WCAG 2: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def unreadable(app: Any) -> list[str]:
    """Words of the screen whose colour is almost that of their ground."""
    words = []
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if style is None or not any(letter.isalnum() for letter in text):
                continue
            assert style.color is not None
            assert style.bgcolor is not None, f"no ground under {text!r}"
            dark, bright = sorted((luminance(style.color), luminance(style.bgcolor)))
            if (bright + 0.05) / (dark + 0.05) < 1.8:
                words.append(f"{text} {style.color.name} on {style.bgcolor.name}")
    return words


@pytest.mark.parametrize(
    "themes",
    [
        pytest.param(["labtui-light"], id="light"),
        pytest.param(["labtui-light", "labtui-dark"], id="light-and-back"),
        pytest.param(["textual-light"], id="pale"),
    ],
)
async def test_words_can_be_read_after_a_change_of_theme(lab: Any, drive: Any, themes: list[str]) -> None:
    lab.run("demo", epochs=3)
    async with drive(120, 34) as ui:
        for theme in themes:
            ui.app.theme = theme
            ground = ui.app.current_theme.background
            await ui.until(
                lambda ground=ground: ui.app.screen.styles.background.hex.lower() == ground.lower()
            )
        await ui.pilot.pause()
        assert unreadable(ui.app) == []
        for keys, words in ((["enter"], "Checkpoints"), (["escape", "n"], "new run")):
            await ui.press(*keys)
            await ui.sees(words)
            assert unreadable(ui.app) == []
        await ui.until(lambda: Choices(lab.workspace.root).text("theme") == themes[-1])
    assert LabApp(lab.workspace).theme == themes[-1]
