"""What reaches the terminal: the first line at once, colours that may be missing, and nothing from data."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIRST_PAINT = """\
import json, sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
from tui.app import LabApp
ready = LabApp.on_ready
def on_ready(self):
    Path(sys.argv[1], "modules.json").write_text(json.dumps(sorted(sys.modules)))
    ready(self)
LabApp.on_ready = on_ready
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""
PICTURES = """\
import sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
import tui
def read(self, config, *, augmented, seed, count):
    import numpy as np
    from tui.read.samples import Samples
    pixels = np.full((2, 32, 32, 3), 250, np.uint8)
    pixels[1] = (200, 30, 30)
    return Samples(pixels, ("a bright one", "a red one"), 2)
from tui.read.samples import SampleReader
SampleReader.read = read
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""
LATE = ("numpy", "plotext", "pydantic", "yaml")
NEVER = ("torch", "torchvision", "torchmetrics")
TRUE_COLOUR = re.compile(rb"\x1b\[[0-9;]*[34]8;2;(\d+);(\d+);(\d+)")


def test_nothing_heavy_before_the_first_paint(start: Any, workspace: Path, run_folder: Any) -> None:
    run_folder()
    session = start(program=FIRST_PAINT)
    session.sees("mine", "┤")
    loaded = json.loads((workspace / "modules.json").read_text())
    assert not [name for name in (*LATE, *NEVER) if name in loaded]
    assert "textual.app" in loaded


def test_importing_the_entry_loads_no_toolkit() -> None:
    heavy = ("textual", "rich", "numpy", "torch")
    code = f"import sys, tui.start; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_the_screens_never_load_torch(start: Any, workspace: Path, run_folder: Any) -> None:
    run_folder()
    program = FIRST_PAINT.replace("LabApp.on_ready = on_ready\n", "").replace(
        "sys.exit(run(Workspace(Path(sys.argv[1]))))",
        "code = run(Workspace(Path(sys.argv[1])))\n"
        'Path(sys.argv[1], "modules.json").write_text(json.dumps(sorted(sys.modules)))\nsys.exit(code)',
    )
    session = start(program=program)
    session.sees("mine", "┤")
    session.type("\r")
    session.sees("labtui ▸ mine")
    session.type("r")
    session.sees("Resume mine")
    session.type("\x1b")
    session.type("\x03")
    assert session.ends() == 0
    loaded = json.loads((workspace / "modules.json").read_text())
    assert "numpy" in loaded
    assert not [name for name in NEVER if name in loaded]


def test_the_first_line_comes_before_the_toolkit(start: Any) -> None:
    session = start()
    session.sees("labtui", "reading runs")
    first = bytes(session.raw)
    assert first.startswith(b"\x1b[?1049h\x1b[?25l")


@pytest.mark.some(3)
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
@pytest.mark.parametrize("term", ["xterm-256color", "screen", "tmux-256color"])
def test_it_draws_on_usual_terminals(start: Any, run_folder: Any, size: tuple[int, int], term: str) -> None:
    run_folder()
    session = start(*size, TERM=term)
    session.sees("mine", "4/4", "0.8000@4", "accuracy", "loss", "┤", "? help")


def test_without_colour_everything_is_still_told_apart(start: Any, run_folder: Any) -> None:
    run_folder("good")
    run_folder("broken", reason="loss is not finite")
    session = start(120, 40, NO_COLOR="1")
    session.sees("✓", "✗", "▸", "loss is not finite", "t train", "v val", "★")
    session.type("\r")
    session.sees("labtui ▸")
    session.type("2")
    session.sees("checkpoint")
    session.type("?")
    session.sees("Keys and signs")
    colours = set(TRUE_COLOUR.findall(bytes(session.raw)))
    assert all(red == green == blue for red, green, blue in colours)


def test_escape_sequences_in_data_are_not_sent(start: Any, run_folder: Any) -> None:
    run_folder("evil \x1b]0;owned\x07 \x1b[31m", reason="\x1b[2Jboom \x9b5n")
    session = start(160, 50)
    session.sees("evil ␛]0;owned␇", "␛[2Jboom")
    session.type("\r")
    session.sees("labtui ▸ evil")
    session.type("6")
    session.sees("a line", "␛]0;owned␇")
    # The toolkit sets the shape of the mouse pointer with the one such sequence allowed.
    sent = re.sub(rb"\x1b\]22;[a-z]+\x07", b"", bytes(session.raw))
    assert b"\x1b]" not in sent
    assert b"\x07" not in sent
    assert "\x9b" not in sent.decode()
    assert b"\x1b[31m " not in sent


@pytest.mark.some(1)
@pytest.mark.parametrize("exported", [{}, {"COLUMNS": "160", "LINES": "50"}])
def test_a_resize_is_followed(start: Any, run_folder: Any, exported: dict[str, str]) -> None:
    run_folder()
    session = start(160, 50, **exported)
    session.sees("mine", "Configs")
    with session._lock:
        session.screen.resize(24, 80)
        session.screen.reset()
    fcntl.ioctl(session.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.kill(session.process.pid, signal.SIGWINCH)
    session.sees("1 Runs", "mine", "? help")


def test_an_idle_screen_sends_nothing(start: Any, run_folder: Any) -> None:
    """An old finished run on the screen, longer than the table takes to look at its ages again."""
    run_folder(ago=3 * 3600.0)
    session = start()
    session.sees("mine", "★", "3 h")
    select.select([], [], [], 2.0)
    before = len(session.raw)
    select.select([], [], [], 6.0)
    assert bytes(session.raw[before:]) == b""


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("environment", "sign"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "▀"),
        ({"TERM": "tmux-256color", "COLORTERM": ""}, "▀"),
        ({"TERM": "screen", "COLORTERM": ""}, "█"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "▀"),
    ],
)
def test_pictures_on_usual_terminals(
    start: Any, workspace: Path, environment: dict[str, str], sign: str
) -> None:
    data = "data: {format: synthetic, root: pictures, synthetic: {images: 60}}"
    (workspace / "configs" / "demo.yaml").write_text(f"{data}\nmodel: tinyvgg_a\n")
    session = start(80, 24, program=PICTURES, **environment)
    session.sees("no runs yet")
    session.type("i")
    session.sees("pictures of demo", "a bright one", sign)
    colours = TRUE_COLOUR.findall(bytes(session.raw))
    if "NO_COLOR" in environment:
        assert all(red == green == blue for red, green, blue in colours)
    elif not environment["COLORTERM"]:
        assert not colours
