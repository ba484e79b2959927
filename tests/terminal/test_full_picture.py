"""A picture in the terminal's own pixels: asked for, shown, put away; the terminal stays as it was."""

from __future__ import annotations

import select
import signal
import time
from pathlib import Path
from typing import Any

import pytest

READY = "no runs yet"
QUESTION = b"\x1b[16t\x1b[c"
SIXEL, KITTY = b"\x1b[?62;4;22c", b"\x1b_Gi=4207;OK\x1b\\\x1b[6;20;10t\x1b[?62;c"
# `o` stands for V, which needs a run with predictions.
PROGRAM = """\
import sys
from pathlib import Path
from PIL import Image
from core.config.workspace import Workspace
from tui.start import run
import tui.widgets.full_picture as full
from tui.screens.runs import RunsScreen
full.PATIENCE = PATIENCE
if HIDDEN:
    full.importlib.util.find_spec = lambda name: None
def show(self): full.show_full(self.app, Image.new("RGB", (64, 48), "red"))
RunsScreen.action_sort = show
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""
# Stands in for the package, which is an extra: what it draws is known, and what it takes away.
STAND_IN = """\
import sys
from rich.segment import Segment
assert not sys.__stdout__.isatty(), "the package must not ask the terminal by itself"
class Image:
    def __init__(self, image, width, height):
        self.cells = f"{width}x{height}"
    def __rich_console__(self, console, options):
        yield Segment(f"drawn by NAME {self.cells}\\n")
    def cleanup(self):
        sys.__stdout__.write("\\x1b_Ga=d\\x1b\\\\")
"""


@pytest.fixture
def begin(start: Any, tmp_path: Path) -> Any:
    """The screens, with a package that draws; `patience` in seconds."""
    package = tmp_path / "extra" / "textual_image" / "renderable"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    for name in ("sixel", "tgp"):
        (package / f"{name}.py").write_text(STAND_IN.replace("NAME", name))
    root = Path(__file__).parents[2]

    def begun(patience: float = 30.0, hidden: bool = False, **environment: str) -> Any:
        environment = {"TMUX": "", "PYTHONPATH": f"{tmp_path / 'extra'}:{root}", **environment}
        program = f"PATIENCE, HIDDEN = {patience}, {hidden}\n{PROGRAM}"
        session = start(100, 30, program=program, **environment)
        session.sees(READY)
        return session

    return begun


def asked(session: Any, times: int = 1) -> None:
    """Press the key, and wait until the terminal has been asked what it can."""
    session.type("o")
    end = time.monotonic() + 30
    while bytes(session.raw).count(QUESTION) < times:
        assert time.monotonic() < end, session.shown()
        select.select([], [], [], 0.02)


def test_by_either_protocol_and_back_again(begin: Any) -> None:
    session = begin()
    asked(session)
    session.type((b"\x1b_Gi=4207;OK\x1b\\" + SIXEL).decode())
    session.sees("drawn by sixel 77x29", "any key goes back")
    assert READY not in session.shown()
    # What a terminal says late is no key.
    session.type("\x1b[6;20;10t\x1b[?62;4c")
    session.type("x")
    session.sees(READY)
    asked(session, 2)
    session.type(KITTY.decode())
    session.sees("drawn by tgp 77x29")
    session.type("\x1b")
    session.sees(READY)
    assert b"\x1b_Ga=d\x1b\\" in session.raw
    session.type("q")
    assert session.ends() == 0
    assert session.is_restored()


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [({}, "neither Sixel nor Kitty"), ({"TMUX": "/tmp/x,1,0"}, "inside tmux or screen")],
)
@pytest.mark.parametrize("answer", [b"\x1b[?1;2c", b""])
def test_a_terminal_without_pictures_is_a_sentence(
    begin: Any, environment: dict[str, str], sentence: str, answer: bytes
) -> None:
    session = begin(patience=30.0 if answer else 0.3, **environment)
    asked(session)
    session.type(answer.decode())
    session.sees(READY, sentence, "w writes the picture")
    session.type("q")
    assert session.ends() == 0
    assert session.is_restored()


@pytest.mark.some(2)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("shown", [True, False])
def test_signals_meanwhile(begin: Any, number: signal.Signals, shown: bool) -> None:
    session = begin()
    asked(session)
    if shown:
        session.type(SIXEL.decode())
        session.sees("any key goes back")
    session.process.send_signal(number)
    assert session.ends() == -number
    assert session.is_restored()


@pytest.mark.parametrize("shown", [True, False])
def test_leaving_meanwhile(begin: Any, shown: bool) -> None:
    session = begin()
    asked(session)
    if shown:
        session.type(SIXEL.decode())
        session.sees("any key goes back")
    session.type("\x03")
    assert session.ends() == 0
    assert session.is_restored()


def test_the_line_goes_away_meanwhile(begin: Any) -> None:
    session = begin()
    asked(session)
    session.type(SIXEL.decode())
    session.sees("any key goes back")
    session.hang_up()
    assert session.process.wait(60) in (-signal.SIGHUP, 128 + signal.SIGHUP)


def test_without_the_package_it_is_said_which(begin: Any) -> None:
    session = begin(hidden=True)
    session.type("o")
    session.sees("labtui[images]", READY)
    assert QUESTION not in session.raw
    session.type("q")
    assert session.ends() == 0
    assert session.is_restored()
