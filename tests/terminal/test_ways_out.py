"""Whatever ends the screens, the terminal is as it was."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

READY = "no runs yet"
CRASH_IN_HANDLER = """\
import sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
from tui.app import LabApp
def explode(self, *args): raise RuntimeError("a bug in a handler")
sys.modules["tui.screens.runs"].RunsScreen.action_sort = explode
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""
CRASH_IN_READER = """\
import sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
import tui.read.reader
def explode(self, wanted): raise RuntimeError("a bug in a worker")
tui.read.reader.Reader.poll = explode
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""
CRASH_IN_IMPORT = """\
import sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
sys.modules["tui.app"] = None
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""


@pytest.mark.some(2)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals(start: Any, number: signal.Signals) -> None:
    session = start()
    session.sees(READY)
    assert session.modes()[1049]
    assert not session.is_restored()
    session.process.send_signal(number)
    assert session.ends() == -number
    assert session.is_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_before_the_first_paint(start: Any, number: signal.Signals) -> None:
    session = start()
    session.sees("labtui")
    session.process.send_signal(number)
    assert session.ends() == -number
    assert session.is_restored()


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_leaving(start: Any, key: str) -> None:
    session = start()
    session.sees(READY)
    session.type(key)
    assert session.ends() == 0
    assert session.is_restored()


def test_a_bug_in_a_handler_is_one_sentence(start: Any, homes: Path) -> None:
    session = start(program=CRASH_IN_HANDLER)
    session.sees(READY)
    session.type("o")
    assert session.ends() == 1
    assert session.is_restored()
    last = bytes(session.raw).rpartition(b"\x1b[?1049l")[2]
    assert b"unexpected error: RuntimeError: a bug in a handler; training continues" in last.replace(
        b"\r\n", b" "
    )
    assert b"Traceback" not in last
    assert "in explode" in (homes / "state" / "labtui" / "screens.log").read_text()


def test_a_bug_in_a_worker_is_said_on_the_screen(start: Any) -> None:
    session = start(120, 40, program=CRASH_IN_READER)
    session.sees("could not read the runs", "a bug in a worker")
    session.type("q")
    assert session.ends() == 0
    assert session.is_restored()


def test_an_import_that_fails_leaves_a_usable_terminal(start: Any) -> None:
    session = start(program=CRASH_IN_IMPORT)
    assert session.ends() == 1
    assert session.is_restored()


def test_the_line_goes_away(start: Any) -> None:
    session = start()
    session.sees(READY)
    session.hang_up()
    assert session.process.wait(60) in (-signal.SIGHUP, 128 + signal.SIGHUP)


def test_the_line_goes_away_without_a_hang_up_signal(start: Any) -> None:
    """As under nohup: a reader of a dead terminal would burn a core for ever."""
    session = start(program="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + _run_program())
    session.sees(READY)
    session.hang_up()
    assert session.process.wait(60) == 128 + signal.SIGHUP


def test_suspend_and_come_back(start: Any) -> None:
    session = start()
    session.sees(READY)
    session.type("\x1a")
    deadline = time.monotonic() + 20
    while _state(session.process.pid) != "T":
        assert time.monotonic() < deadline, "ctrl+z did not stop it"
        select.select([], [], [], 0.02)
    select.select([], [], [], 0.2)
    assert session.is_restored()
    with session._lock:
        session.raw.clear()
        session.screen.reset()
    session.process.send_signal(signal.SIGCONT)
    session.sees(READY)
    assert session.modes()[1049]
    session.type("q")
    assert session.ends() == 0
    assert session.is_restored()


@pytest.mark.parametrize(
    ("environment", "word"),
    [({"TERM": "dumb"}, "TERM is dumb"), ({"TERM": ""}, "TERM is dumb or not set")],
)
def test_terminals_that_cannot_are_refused(start: Any, environment: dict[str, str], word: str) -> None:
    session = start(**environment)
    assert session.ends() == 2
    assert word in " ".join(session.shown().split())
    assert b"\x1b" not in bytes(session.raw)


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_a_stream_that_is_no_terminal_is_refused(workspace: Path, stream: str) -> None:
    master, slave = os.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    with open(os.devnull, "r+b") as nothing:
        streams[stream] = nothing.fileno()
        process = subprocess.Popen(  # type: ignore[call-overload]
            [sys.executable, "-P", "-c", _run_program(), str(workspace)],
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])},
            **streams,
        )
        assert process.wait(30) == 2
    os.close(slave)
    os.close(master)


def _run_program() -> str:
    return (
        "import sys\nfrom pathlib import Path\nfrom core.config.workspace import Workspace\n"
        "from tui.start import run\nsys.exit(run(Workspace(Path(sys.argv[1]))))\n"
    )


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
