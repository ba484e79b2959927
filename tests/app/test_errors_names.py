"""Names of classes and images that would upset a terminal: shown letter for letter, columns aligned."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.cells import cell_len

from tui.widgets.matrix import Matrix

# As they are told to be, and as they are shown.
NAMES = {
    "[/red]": "[/red]",
    "[bold]cat[/]": "[bold]cat[/]",
    "\x1b[31mdog\x07": "␛[31mdog␇",
    "규조류": "규조류",
    "\u1112\u1161\u11ab": "\u1112\u1161\u11ab",
    "👩‍🔬 👍🏽": "👩‍🔬 👍🏽",
    "🇰🇷 ❤\ufe0f": "🇰🇷 ❤\ufe0f",
    "e\u0301te\u0301": "e\u0301te\u0301",
    "שלום": "שלום",
    "سلام": "سلام",
    "Épi\u202e😀": "Épi\ufffd😀",
    "   ": "   ",
    "x" * 300: "",
    "\r\n\t": "␍␊    ",
}
FIRST = "dog"


def harmless(ui: Any, *, covered: bool = False) -> None:
    """Nothing that a terminal would act on, and every line as wide as the terminal.

    The toolkit counts an emoji that the edge of a dialog cuts in two with a cell less.
    """
    for line in ui.lines():
        assert not [sign for sign in line if ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0]
        assert "\u202e" not in line
        assert cell_len(line) in (ui.app.size.width, ui.app.size.width - covered), line


@pytest.fixture
def hostile(lab: Any, errors: ModuleType, tmp_path: Path) -> Any:
    """Each class is taken for the next one, in an image of its own with a name like it."""
    names = tuple(NAMES)
    truth = [[(10, 10, 150, 110, label)] for label in range(len(names))]
    found = [[(10, 10, 150, 110, (label + 1) % len(names), 0.9)] for label in range(len(names))]
    paths = [f"{place} {name[:40].replace('/', '')}.png" for place, name in enumerate(names)]
    run = lab.run(epochs=2, name="run [/] 규조 \x1b[2J")
    for epoch in (1, 2):
        file = run.predictions / f"a01-e000{epoch}-val.npz"
        errors.write_boxes(file, tmp_path / "images", names=names, truth=truth, found=found, paths=paths)
    return run


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_names_everywhere(hostile: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    async with drive(*size) as ui:
        screen = await errors.open_errors(ui)
        await errors.press(ui, "home", *["up"] * 20)
        harmless(ui)
        shown = ui.text()
        for name in list(NAMES.values())[:10]:
            assert f" {name} " in shown, name
        lines = [line for line in ui.lines() if any(f" {place} " in line[:8] for place in range(1, 11))]
        last = screen.query_one(Matrix)._layout
        ends = (
            last.names
            + sum(width for _, width in last.fixed)
            + last.cell * len(screen.query_one(Matrix)._look().columns)
        )
        edge = 1 if size[0] >= 110 else 0
        assert {cell_len(_cells(line, edge + ends - 3)) for line in lines} == {edge + ends - 3}
        assert {line[len(_cells(line, edge + ends - 3)) :][:2] for line in lines} == {" 1"}
        for step in ("z", "enter", "enter", "enter", "end", "escape", "v", "v", "n", "n", "x", "L", "p"):
            await errors.press(ui, step)
            harmless(ui)
        await errors.press(ui, "escape", "escape", "z", "right", "right", "down", "down", "enter", "enter")
        harmless(ui)
        for tab in ("[Kinds]", "[Classes]", "[PR]", "[Boxes]", "[A/B]"):
            await errors.press(ui, "tab")
            await ui.sees(tab)
            harmless(ui)
            if tab == "[PR]" and size[0] == 80:
                for _ in range(len(NAMES)):
                    await errors.press(ui, "right")
                    harmless(ui)
            if tab == "[Boxes]":
                await ui.sees("0 [red].png", "2 ␛[31mdog␇.png", "3 규조류.png", "8 שלום.png")


@pytest.mark.some(1)
@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_names_in_dialogs_and_in_pairs(hostile: Any, drive: Any, errors: ModuleType, size: Any) -> None:
    async with drive(*size) as ui:
        await errors.open_errors(ui)
        await errors.press(ui, "slash")
        await ui.type("red")
        await ui.sees("1 of 14 rows" if size[0] > 110 else "[/red]")
        harmless(ui)
        await errors.press(ui, "escape", "a")
        await ui.sees("run [/] 규조 ␛[2J")
        harmless(ui, covered=True)
        await errors.press(ui, "enter")
        await ui.sees("still wrong 14", "[/red]", "→ [bold]cat[/]", "→ ␛[31mdog␇", "→ 규조류")
        harmless(ui)
        await errors.press(ui, "enter")
        await ui.sees("A run [/]", "B run [/]", "T [/red]")
        for _ in range(len(NAMES)):
            await errors.press(ui, "n")
            harmless(ui)
        assert ui.app.screen.model.step == "picture"
        for key, words in (("c", "Errors of run [/]"), ("R", "Where are the images?")):
            await errors.press(ui, key)
            await ui.sees(words)
            harmless(ui, covered=True)
            await errors.press(ui, "escape")
        await errors.press(ui, "escape", "escape", "enter", "m")
        await ui.sees("A note on this case")
        harmless(ui, covered=True)


def _cells(line: str, width: int) -> str:
    """The beginning of a line that takes so many cells."""
    taken = ""
    for sign in line:
        if cell_len(taken + sign) > width:
            break
        taken += sign
    return taken
