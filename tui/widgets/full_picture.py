"""A picture in the terminal's own pixels, by Sixel or by Kitty's protocol: asked for, shown, put away.

The terminal is asked what it can only when a picture is wanted, and the screens are put aside meanwhile.
Whatever happens, modes of the line and the alternate screen are put back; signals end the program as always
(`tui.terminal`). The encoding is done by the package textual-image, an extra that need not be there.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from PIL.Image import Image

    from tui.lab import Lab

PATIENCE = 2.0
"""Seconds that a terminal has to answer; every one in use answers the last question at once, over SSH too."""
MISSING = "the full picture needs one more package: pip install 'labtui[images]'; w writes it as a file"
_NEITHER = "this terminal draws neither Sixel nor Kitty pictures: w writes the picture as a file"
_IN_TMUX = "inside tmux or screen no pictures arrive here: w writes the picture as a file, or try without"
_NO_TERMINAL = "there is no terminal to draw the full picture on: w writes it as a file"
_PACKAGE = "textual_image"
_ASK = b"\x1b_Gi=4207,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
_ANSWERED = re.compile(rb"\x1b\[\?([0-9;]*)c")
_KITTY = re.compile(rb"\x1b_Gi=4207;OK\x1b\\")
_CELL = re.compile(rb"\x1b\[6;([0-9]+);([0-9]+)t")
_ANSWERS = re.compile(rb"\x1b\[[?>]?[0-9;]*[ctRn]|\x1b_G[^\x1b]*\x1b\\|\x1b\[[IO]")
_SIXEL = b"4"
_USUAL_CELL = (10, 20)
_MOST_CELLS = 297
"""Rows or columns that Kitty's placeholders can number."""
_LEAVE = b"\x03"


@dataclass(frozen=True)
class Abilities:
    """What a terminal has said: `protocol` sixel, kitty or empty; pixels (width, height) of a cell."""

    protocol: str
    cell: tuple[int, int] | None = None


def understood(answer: bytes) -> Abilities:
    """The abilities in a terminal's answer. Sixel first: some that claim Kitty's protocol lack half of it."""
    attributes = _ANSWERED.search(answer)
    size = _CELL.search(answer)
    cell = (int(size[2]), int(size[1])) if size and int(size[1]) and int(size[2]) else None
    if attributes and _SIXEL in attributes[1].split(b";"):
        return Abilities("sixel", cell)
    return Abilities("kitty" if _KITTY.search(answer) else "", cell)


def fitted(size: tuple[int, int], columns: int, rows: int, cell: tuple[int, int]) -> tuple[int, int]:
    """The most (columns, rows) of cells (width, height) that a picture takes and keeps its shape."""
    scale = min(columns * cell[0] / size[0], rows * cell[1] / size[1])
    across, down = round(size[0] * scale / cell[0]), round(size[1] * scale / cell[1])
    return min(max(across, 1), columns), min(max(down, 1), rows)


def encoded(image: Image, abilities: Abilities, columns: int, rows: int) -> tuple[str, str]:
    """What draws a picture in `columns` x `rows` cells, and what takes it away again.

    Raises ImportError without the package.
    """
    from rich.console import Console

    cell = abilities.cell or _USUAL_CELL
    columns, rows = min(columns, _MOST_CELLS), min(rows, _MOST_CELLS)
    across, down = fitted(image.size, columns, rows, cell)
    with _quiet(cell) as out:
        module = importlib.import_module(f"{_PACKAGE}.renderable.{_MODULES[abilities.protocol]}")
        drawn = module.Image(image.convert("RGB"), across, down)
        console = Console(
            file=out,
            force_terminal=True,
            color_system="truecolor",
            no_color=False,
            width=columns,
            height=rows,
            legacy_windows=False,
        )
        console.print(drawn, end="")
        text = out.getvalue()
        drawn.cleanup()
        return text, out.getvalue()[len(text) :]


_MODULES = {"sixel": "sixel", "kitty": "tgp"}


@contextmanager
def _quiet(cell: tuple[int, int]) -> Iterator[io.StringIO]:
    """Have the package write into memory: it would ask the terminal by itself, with too little patience."""
    out, before = io.StringIO(), sys.__stdout__
    wanted = {"TEXTUAL_CELL_WIDTH": str(cell[0]), "TEXTUAL_CELL_HEIGHT": str(cell[1])}
    kept = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    sys.__stdout__ = out  # type: ignore[misc,assignment]
    try:
        yield out
    finally:
        sys.__stdout__ = before  # type: ignore[misc]
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def show_full(lab: Lab, image: Image) -> None:
    """Show a picture until a key is pressed, or say in a sentence why that cannot be."""
    if importlib.util.find_spec(_PACKAGE) is None:
        lab.notify(MISSING, severity="warning", markup=False)
        return
    try:
        with lab.suspend():
            key, problem = _present(image)
    except SuspendNotSupported:
        key, problem = b"", _NO_TERMINAL
    if problem:
        lab.notify(problem, severity="warning", markup=False)
    if _LEAVE in key:
        lab.action_leave()


def _present(image: Image) -> tuple[bytes, str]:
    """Ask, draw and wait; the key that was pressed, or why nothing was drawn."""
    source, target = sys.__stdin__.fileno(), sys.__stderr__.fileno()  # type: ignore[union-attr]
    before = termios.tcgetattr(source)
    try:
        tty.setraw(source)
        _write(target, b"\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H what can this terminal draw?\r\n")
        answer = ask(source, target, PATIENCE)
        if _LEAVE in answer:
            return _LEAVE, ""
        abilities = understood(answer)
        if not abilities.protocol:
            return b"", _IN_TMUX if _multiplexed() else _NEITHER
        columns, rows = os.get_terminal_size(target)
        abilities = Abilities(abilities.protocol, _cell_of(target) or abilities.cell)
        text, end = encoded(image, abilities, columns, max(rows - 1, 1))
        _write(target, b"\x1b[2J\x1b[H" + text.replace("\n", "\r\n").encode())
        _write(target, f"\x1b[{rows};1H any key goes back".encode())
        key = _key(source)
        _write(target, end.encode())
        return key, ""
    finally:
        _write(target, b"\x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l")
        # What the terminal still answers is no key.
        termios.tcsetattr(source, termios.TCSAFLUSH, before)


def ask(source: int, target: int, patience: float) -> bytes:
    """What a terminal says to three questions, of which every one answers the last; what came in time."""
    _write(target, _ASK)
    answer, end = b"", time.monotonic() + patience
    while not _ANSWERED.search(answer) and _LEAVE not in answer:
        left = end - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            break
        data = os.read(source, 4096)
        if not data:
            break
        answer += data
    return answer


def _key(source: int) -> bytes:
    """The next key; late answers of the terminal are none. Empty when the line is gone."""
    pressed = b""
    while True:
        data = os.read(source, 4096)
        pressed = _ANSWERS.sub(b"", pressed + data)
        if not data or (pressed and pressed != b"\x1b_"):
            return pressed


def _cell_of(target: int) -> tuple[int, int] | None:
    """Pixels of a cell as the terminal's driver has them, where it has."""
    import array
    import fcntl

    found = array.array("H", [0, 0, 0, 0])
    try:
        fcntl.ioctl(target, termios.TIOCGWINSZ, found)
    except OSError:
        return None
    rows, columns, width, height = found
    if not (rows and columns and width // columns and height // rows):
        return None
    return width // columns, height // rows


def _multiplexed() -> bool:
    return bool(os.environ.get("TMUX")) or os.environ.get("TERM", "").startswith(("tmux", "screen"))


def _write(target: int, data: Any) -> None:
    while data:
        data = data[os.write(target, data) :]
