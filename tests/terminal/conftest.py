"""The real program on a real pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyte
import pytest

ROOT = Path(__file__).parents[2]
PRIVATE_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>?][0-9;]*(?:u|\$p|c|q)")
RUN = """\
import sys
from pathlib import Path
from core.config.workspace import Workspace
from tui.start import run
sys.exit(run(Workspace(Path(sys.argv[1]))))
"""


class Session:
    """labtui under a pseudo-terminal of its own; `shown` is what a person would see."""

    def __init__(
        self, workspace: Path, columns: int, lines: int, environment: dict[str, str], program: str = RUN
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave: int | None = os.dup(slave)
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self._lock = threading.Lock()
        self._deaf = threading.Event()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TEXTUAL", "NO_COLOR"))}
        env |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", program, str(workspace)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=workspace,
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._deaf.is_set():
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", data))

    def shown(self) -> str:
        with self._lock:
            return "\n".join(self.screen.display)

    def sees(self, *words: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not all(word in self.shown() for word in words):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.shown()}"
            assert time.monotonic() < end, f"not seen: {words}\n{self.shown()}"
            select.select([], [], [], 0.02)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def ends(self, seconds: float = 30.0) -> int:
        """The exit code, once all that was written has been read."""
        code = self.process.wait(seconds)
        end = time.monotonic() + 5
        size = -1
        while size != len(self.raw) and time.monotonic() < end:
            size = len(self.raw)
            select.select([], [], [], 0.1)
        return code

    def modes(self) -> dict[int, bool]:
        """Private modes by their last setting."""
        found: dict[int, bool] = {}
        for numbers, how in PRIVATE_MODE.findall(bytes(self.raw)):
            for number in numbers.split(b";"):
                found[int(number)] = how == b"h"
        return found

    def is_restored(self) -> bool:
        """Alternate screen left, mouse, paste and focus reports off, cursor on, line as it was."""
        modes = self.modes()
        off = (1049, 1000, 1002, 1003, 1006, 1015, 1016, 1004, 2004, 2048, 2026)
        assert self.slave is not None
        line = termios.tcgetattr(self.slave)
        return (
            not any(modes.get(mode, False) for mode in off)
            and modes.get(25, True)
            and modes.get(7, True)
            and line[:6] == self.before[:6]
        )

    def hang_up(self) -> None:
        """The other side of the line goes away; a read under way would hold it open."""
        self._deaf.set()
        self._reader.join()
        assert self.slave is not None
        os.close(self.slave)
        self.slave = None
        os.close(self.master)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._deaf.set()
        self._reader.join()
        for fd in (self.master, self.slave):
            if fd is not None:
                try:
                    os.close(fd)
                except OSError:
                    continue


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "lab" / "configs").mkdir(parents=True)
    (tmp_path / "lab" / "configs" / "demo.yaml").write_text("data: x\nmodel: tinyvgg_a\n")
    return tmp_path / "lab"


@pytest.fixture
def start(workspace: Path) -> Iterator[Callable[..., Session]]:
    """Start labtui on a workspace: `start(80, 24, NO_COLOR="1")`."""
    sessions: list[Session] = []

    def started(columns: int = 80, lines: int = 24, program: str = RUN, **environment: str) -> Session:
        sessions.append(Session(workspace, columns, lines, environment, program))
        return sessions[-1]

    yield started
    for session in sessions:
        session.close()


@pytest.fixture
def run_folder(workspace: Path) -> Any:
    """A finished run in the workspace, made by the store; `name` may be anything."""

    def make(name: str = "mine", reason: str = "", ago: float = 0.0) -> Path:
        import json

        from core.config.workspace import Workspace
        from core.store.metrics import MetricsWriter
        from core.store.runs import create_run

        run = create_run(
            Workspace(workspace),
            config_name="demo",
            config_text="model: tinyvgg_a\n",
            model="tinyvgg_a",
            metric="val/accuracy",
            metric_mode="max",
            total_epochs=4,
            argv=[],
        )
        run.meta.write_text(json.dumps({"name": name}))
        attempt = run.attempt(1)
        attempt.root.mkdir()
        attempt.start.write_text(json.dumps({"request": 1, "time": time.time() - ago}))
        attempt.log.write_text("a line\n\x1b]0;owned\x07\x1b[2J\n")
        with MetricsWriter(run.metrics) as writer:
            for epoch in range(1, 5):
                place = {"t": 10.0 * epoch, "epoch": epoch, "step": epoch, "attempt": 1, "scope": "epoch"}
                writer.write({**place, "val/accuracy": epoch / 5, "val/loss": 1 / epoch, "train/loss": 0.5})
        end = {"time": time.time(), "epoch": 4, "step": 4}
        if reason:
            attempt.error.write_text(json.dumps({"type": "RuntimeError", "message": reason, **end}))
            attempt.exit.write_text(json.dumps({"code": 1, "signal": None, "oom_kill": False, **end}))
        else:
            attempt.result.write_text(json.dumps({"status": "finished", **end}))
        return run.root

    return make
