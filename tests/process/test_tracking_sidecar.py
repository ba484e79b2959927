"""The sidecar as a process: real W&B files, a W&B server of our own, and trackers that fail in every way."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from core.config.workspace import Workspace
from core.store.attempts import begin_attempt, write_exit, write_result
from core.store.locks import Lock, acquire, run_lock_path
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import AttemptPaths, RunPaths
from core.store.runs import create_run
from core.tracking import available
from tests.process.process_tools import until

ROOT = Path(__file__).parents[2]
PATIENCE = 180
"""Seconds for what runs at the lowest priority, beside tests that keep every core busy."""
CONFIG = "data: {format: synthetic, root: /data/demo}\nmodel: tinyvgg_a\nmode: full\nepochs: 4\n"
has_wandb = pytest.mark.skipif(available()["wandb"] is None, reason="the extra wandb is not installed")
has_tensorboard = pytest.mark.skipif(
    available()["tensorboard"] is None, reason="the extra tensorboard is not installed"
)
# A package called wandb that records what it is told and fails where it is asked to.
FAKE = """
import os, time
from pathlib import Path
HOW = os.environ["FAKE_WANDB"]
def told(*what):
    with open(os.environ["FAKE_WANDB_CALLS"], "a") as file:
        print(*what, file=file)
def may_fail(where):
    told(where)
    if HOW == where:
        raise RuntimeError(f"broken in {where}")
    if HOW == f"hang in {where}":
        time.sleep(600)
    if HOW == f"exit in {where}":
        os._exit(3)
    if HOW == f"memory in {where}":
        hoard = bytearray(300 << 20)
        hoard[::4096] = b"x" * len(hoard[::4096])
        time.sleep(600)
class Error(Exception): pass
class Settings:
    model_fields = {}
class Run:
    dir, starting_step, summary = "/nowhere/files", 0, {}
    def define_metric(self, *a, **k): pass
    def log(self, values, step): may_fail("log")
    def finish(self, exit_code): may_fail("finish"); told("exit code", exit_code)
def init(**arguments):
    may_fail("init")
    return Run()
may_fail("import")
"""


@dataclass
class Played:
    """A run whose trainer and supervisor are played by the test."""

    run: RunPaths
    environment: dict[str, str]
    attempts: list[AttemptPaths] = field(default_factory=list)
    supervisor: Lock | None = None

    def begin(self, start: tuple[str, int, int] | None = None) -> None:
        """The next attempt takes over at (checkpoint, epoch, step)."""
        self.attempts.append(begin_attempt(self.run, 1, slot="cpu0", threads=1))
        self.supervisor = acquire(run_lock_path(self.run, "sup"))
        if start is not None:
            place = {"attempt": len(self.attempts), "epoch": start[1], "step": start[2], "t": 0.0}
            self.write({"resume": start[0], **place})

    def write(self, *records: dict[str, Any]) -> None:
        with MetricsWriter(self.run.metrics) as metrics:
            for record in records:
                metrics.write(record)

    def train(self, first: int, last: int) -> None:
        """Epochs of ten steps; each attempt has losses of its own."""
        attempt = len(self.attempts)
        for step in range(10 * first - 9, 10 * last + 1):
            place = {
                "t": 1000.0 * attempt + step,
                "step": step,
                "epoch": (step + 9) // 10,
                "attempt": attempt,
            }
            if step % 5 == 0:
                inside = {"step_in_epoch": (step - 1) % 10 + 1, "steps_per_epoch": 10}
                self.write({**place, "scope": "step", **inside, "train/loss": attempt + 1 / step, "lr": 0.1})
            if step % 10 == 0:
                self.write(
                    {**place, "scope": "epoch", "train/loss": attempt + 1 / step, "val/accuracy": step / 100}
                )

    def end(self, status: str = "finished", code: int = 0) -> None:
        attempt = self.attempts[-1]
        if code == 0:
            write_result(attempt, status, epoch=1, step=1)
        write_exit(attempt, code=code, signal=None)
        assert self.supervisor is not None
        self.supervisor.release()

    def start(self, *more: str) -> subprocess.Popen[str]:
        """The sidecar of the newest attempt."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "core.tracking",
            str(self.run.root),
            str(len(self.attempts)),
            *more,
        ]
        return subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def copy(self) -> int:
        """The sidecar of an attempt that has ended."""
        sidecar = self.start()
        _, errors = sidecar.communicate(timeout=PATIENCE)
        assert errors == ""
        return sidecar.returncode

    @property
    def log(self) -> str:
        return (self.run.tracking / "log.txt").read_text()

    @property
    def attempt_log(self) -> str:
        return self.attempts[-1].log.read_text()

    @property
    def calls(self) -> str:
        """What FAKE was told."""
        path = Path(self.environment["FAKE_WANDB_CALLS"])
        return path.read_text() if path.exists() else ""

    def offline_folders(self) -> list[Path]:
        return sorted((self.run.tracking / "wandb").glob("offline-run-*"))


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Played]:
    """Make a played run with these trackers."""

    def make(wandb: str = "off", tensorboard: bool = False, **environment: str) -> Played:
        run = create_run(
            Workspace(tmp_path),
            config_name="demo",
            config_text=CONFIG,
            model="tinyvgg_a",
            metric="val/accuracy",
            metric_mode="max",
            total_epochs=4,
            argv=["labtui"],
            log={"wandb": wandb, "tensorboard": tensorboard},
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
        home = tmp_path / "home"
        home.mkdir()
        return Played(run, {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home), **environment})

    return make


@pytest.fixture
def fake(tmp_path: Path, play: Callable[..., Played]) -> Callable[..., Played]:
    """Make a played run whose wandb is FAKE and fails as told."""

    def make(how: str, **trackers: Any) -> Played:
        site = tmp_path / "site"
        (site / "wandb-99.dist-info").mkdir(parents=True)
        (site / "wandb-99.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: wandb\nVersion: 99\n"
        )
        (site / "wandb").mkdir()
        (site / "wandb" / "__init__.py").write_text(FAKE)
        played = play(wandb="offline", **trackers)
        calls = str(tmp_path / "calls")
        path = f"{site}:{ROOT}"
        played.environment |= {"PYTHONPATH": path, "FAKE_WANDB": how, "FAKE_WANDB_CALLS": calls}
        return played

    return make


@pytest.fixture(scope="module")
def server_module() -> ModuleType:
    return importlib.import_module("tests.process.wandb_server")


def wandb_history(folder: Path) -> tuple[list[dict[str, Any]], int | None]:
    """Rows and exit code in a `.wandb` file: LevelDB's log format, records as protobuf."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = b"".join(path.read_bytes() for path in folder.glob("*.wandb")), 7, b""
    assert data[:4] in (b":W&B", b"")
    rows: list[dict[str, Any]] = []
    code = None
    while at + 7 <= len(data):
        room = 32768 - at % 32768
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind not in (1, 4):
            continue
        record = Record.FromString(parts)
        parts = b""
        if record.HasField("history"):
            items = record.history.item
            rows.append(
                {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
            )
        if record.HasField("exit"):
            code = record.exit.exit_code
    return rows, code


def three_attempts(played: Played, each: Callable[[], Any]) -> None:
    """Stopped in epoch 3, resumed from epoch 2; failed in epoch 4, resumed from epoch 3; finished."""
    played.begin()
    played.train(1, 2)
    played.write({"t": 1.0, "epoch": 3, "step": 25, "attempt": 1, "scope": "step", "train/loss": 9.0})
    played.end("stopped")
    each()
    played.begin(("a01-e0002", 2, 20))
    played.train(3, 3)
    played.write({"t": 2.0, "epoch": 4, "step": 35, "attempt": 2, "scope": "step", "train/loss": 9.0})
    played.end(code=1)
    each()
    played.begin(("a02-e0003", 3, 30))
    played.train(4, 4)
    played.end()
    each()


@has_wandb
def test_an_offline_run_resumed_twice_is_one_continuous_curve(
    play: Callable[..., Played], server_module: ModuleType
) -> None:
    """In its file, in `wandb leet`, and at the server it is synced to after the first and last attempt."""
    played = play(wandb="offline")
    wandb = str(Path(sys.executable).with_name("wandb"))
    codes = []

    def each() -> None:
        assert played.copy() == 0
        (folder,) = played.offline_folders()
        codes.append(wandb_history(folder)[1])
        if len(codes) != 2:
            command = [wandb, "sync", str(folder)]
            subprocess.run(
                command,
                env=played.environment,
                cwd=played.run.root.parent,
                check=True,
                capture_output=True,
                timeout=PATIENCE,
            )

    with server_module.serve() as server:
        online(played, server.url)
        three_attempts(played, each)
        served = server.runs[played.run.id]
    assert codes == [255, 1, 0], "stopped, failed, finished"
    (folder,) = played.offline_folders()
    assert folder.name.endswith(played.run.id)
    assert not (played.run.tracking / "replaced").exists()

    history = read_history(played.run.metrics)
    accuracy = {row["step"]: row["val/accuracy"] for row in history.epochs}
    loss = {row["step"]: row["train/loss"] for row in history.steps}
    rows, _ = wandb_history(folder)
    assert [row["_step"] for row in rows] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert {row["_step"]: row["val/accuracy"] for row in rows if "val/accuracy" in row} == accuracy
    assert {row["_step"]: row["train/loss_step"] for row in rows if "train/loss_step" in row} == loss
    assert [row["epoch"] for row in rows] == [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    assert [row["_timestamp"] for row in rows] == [1005, 1010, 1015, 1020, 2025, 2030, 3035, 3040]
    assert [row["_step"] for row in served.history] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert served.values("train/loss_step") == loss

    command = [wandb, "leet", "inspect", "--summary", "--json", str(folder)]
    shown = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout)
    assert (shown["state"], shown["step"], shown["project"]) == ("finished", 40, "tinyvgg_a")
    assert shown["name"] == f"demo-{played.run.id[-4:]}"
    assert shown["config"]["model"] == "tinyvgg_a"
    summary = shown["summary"]
    assert (summary["best/val/accuracy"], summary["best/epoch"]) == (0.4, 4)
    assert summary["labtui/state"] == "finished"


def online(played: Played, url: str) -> None:
    played.environment |= {"WANDB_BASE_URL": url, "WANDB_API_KEY": "a" * 40}


@has_wandb
def test_a_run_is_followed_while_it_trains(play: Callable[..., Played]) -> None:
    played = play(wandb="offline")
    played.begin()
    sidecar = played.start()
    played.train(1, 1)
    until(lambda: played.offline_folders() and wandb_history(played.offline_folders()[0])[0], "the first row")
    assert psutil.Process(sidecar.pid).nice() == 19
    assert sidecar.poll() is None
    played.train(2, 2)
    played.end()
    assert sidecar.wait(PATIENCE) == 0
    assert [row["_step"] for row in wandb_history(played.offline_folders()[0])[0]] == [5, 10, 15, 20]


@has_wandb
def test_online_all_attempts_are_one_run_whose_steps_only_rise(
    play: Callable[..., Played], server_module: ModuleType
) -> None:
    played = play(wandb="online")
    with server_module.serve() as server:
        online(played, server.url)
        three_attempts(played, lambda: played.copy() and pytest.fail(played.log))
        served = server.runs[played.run.id]
    steps = [row["_step"] for row in served.history]
    assert steps == [5, 10, 15, 20, 25, 30, 35, 40]
    assert served.exit_codes == [255, 1, 0]
    assert {upsert["project"] for upsert in served.upserts} == {"tinyvgg_a"}
    assert {upsert["groupName"] for upsert in served.upserts} <= {"full", None}
    # Attempt 2 trained steps 21 to 25 again: W&B keeps what it had, and the log says so.
    assert served.values("train/loss_step")[25] == 9.0
    assert (
        "started from a01-e0002 and trained steps 21 to 25 again; W&B keeps the earlier values" in played.log
    )
    assert served.values("val/accuracy") == {10: 0.1, 20: 0.2, 30: 0.3, 40: 0.4}
    assert served.summary["labtui/state"] == "finished"


@has_wandb
def test_without_a_key_the_copy_is_kept_offline(play: Callable[..., Played]) -> None:
    played = play(wandb="online", WANDB_BASE_URL="http://127.0.0.1:9")
    played.begin()
    played.train(1, 1)
    played.end()
    assert played.copy() == 0
    (folder,) = played.offline_folders()
    assert [row["_step"] for row in wandb_history(folder)[0]] == [5, 10]
    assert "W&B cannot be used online (UsageError: No API key" in played.attempt_log
    assert "wandb sync" in played.attempt_log


def patched_command(played: Played, code: str, *more: str) -> list[str]:
    """The sidecar (or a worker) with `code` run first."""
    code = f"import os, sys\n{code}\nfrom core.tracking.__main__ import main\nos._exit(main(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", code, str(played.run.root), str(len(played.attempts)), *more]


def patched(played: Played, code: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    """The same, run to its end."""
    command = patched_command(played, code, *more)
    return subprocess.run(command, env=played.environment, capture_output=True, timeout=PATIENCE)


def impatient(played: Played) -> int:
    """A worker for W&B with short limits."""
    code = (
        "import core.tracking.to_wandb as to_wandb, core.tracking.worker as worker\n"
        "to_wandb.INIT_TIMEOUT = to_wandb.FINISH_TIMEOUT = 1.0; worker.CLOSE_LIMIT = 2.0"
    )
    return patched(played, code, "--to", "wandb").returncode


@has_wandb
def test_a_server_that_never_answers_costs_the_init_timeout_and_no_more(play: Callable[..., Played]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        played = play(wandb="online")
        online(played, f"http://127.0.0.1:{silent.getsockname()[1]}")
        played.begin()
        played.train(1, 1)
        played.end()
        played.run.tracking.mkdir()
        began = time.monotonic()
        assert impatient(played) == 76, "asks for an offline worker"
        assert time.monotonic() - began < 15
    assert "W&B cannot be used online" in played.attempt_log


@has_wandb
def test_a_network_that_breaks_away_delays_the_end_by_a_limit(
    play: Callable[..., Played], server_module: ModuleType
) -> None:
    played = play(wandb="online")
    played.begin()
    played.train(1, 1)
    played.end()
    played.run.tracking.mkdir()
    with server_module.serve() as server:
        online(played, server.url)
        server.silent_after_start = True
        began = time.monotonic()
        impatient(played)
        assert time.monotonic() - began < 20
    assert "W&B did not accept everything" in played.attempt_log
    assert "wandb sync" in played.attempt_log


@pytest.mark.some(2)
@has_tensorboard
@pytest.mark.parametrize("where", ["import", "init", "log", "finish"])
def test_a_tracker_that_raises_ends_alone_with_a_line(where: str, fake: Callable[..., Played]) -> None:
    played = fake(where, tensorboard=True)
    played.begin()
    played.train(1, 1)
    played.end()
    assert played.copy() == 1
    assert f"wandb: no longer copies the metrics (RuntimeError: broken in {where})" in played.attempt_log
    assert f"broken in {where}" in played.log
    (events,) = (played.run.tracking / "tensorboard").iterdir()
    assert events.stat().st_size > 500, "the other one is not touched"


def test_a_finish_that_hangs_is_given_up(fake: Callable[..., Played]) -> None:
    played = fake("hang in finish")
    played.begin()
    played.train(1, 1)
    played.end()
    played.run.tracking.mkdir()
    assert impatient(played) == 1
    assert "W&B did not accept everything" in played.attempt_log


def test_a_tracker_that_dies_is_noticed(fake: Callable[..., Played]) -> None:
    played = fake("exit in log")
    played.begin()
    played.train(1, 1)
    played.end()
    assert played.copy() == 3
    assert "wandb: ended with exit code 3: no longer copies the metrics" in played.attempt_log


def test_a_tracker_that_eats_memory_is_ended(fake: Callable[..., Played]) -> None:
    played = fake("memory in log")
    played.begin()
    played.train(1, 1)
    code = "import core.tracking.watch as watch; watch.MEMORY_LIMIT = 200 << 20"
    assert patched(played, code).returncode == 1
    assert "takes more than 200 MiB of memory: it was ended" in played.attempt_log
    played.end()


def test_a_killed_sidecar_leaves_no_process_and_the_next_attempt_makes_a_whole_copy(
    fake: Callable[..., Played],
) -> None:
    played = fake("no")
    played.begin()
    sidecar = played.start()
    until(lambda: psutil.Process(sidecar.pid).children(), "its worker")
    (worker,) = psutil.Process(sidecar.pid).children()
    until(lambda: "init" in played.calls, "the tracker is open")
    sidecar.kill()
    sidecar.wait()
    until(
        lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker dies with it"
    )
    played.train(1, 2)
    played.end("stopped")
    played.begin(("a01-e0002", 2, 20))
    played.train(3, 3)
    played.end()
    Path(played.environment["FAKE_WANDB_CALLS"]).unlink()
    assert played.copy() == 0
    assert played.calls.splitlines() == ["import", "init", *["log"] * 9, "finish", "exit code 0"]


def test_a_killed_worker_is_a_line(fake: Callable[..., Played]) -> None:
    played = fake("no")
    played.begin()
    sidecar = played.start()
    until(lambda: psutil.Process(sidecar.pid).children(), "its worker")
    psutil.Process(sidecar.pid).children()[0].send_signal(signal.SIGKILL)
    assert sidecar.wait(PATIENCE) == 1
    assert "wandb: killed by SIGKILL: no longer copies the metrics" in played.attempt_log
    played.end()


def test_an_unwritable_folder_is_a_line_in_the_attempts_log(fake: Callable[..., Played]) -> None:
    played = fake("no")
    played.begin()
    played.end()
    played.run.tracking.write_text("in the way")
    assert played.copy() == 1
    assert f"{played.run.tracking} cannot be written" in played.attempt_log
    assert not played.calls


def test_it_ends_when_supervisor_and_trainer_are_gone_without_a_word(fake: Callable[..., Played]) -> None:
    played = fake("no")
    played.begin()
    sidecar = played.start()
    assert played.supervisor is not None
    for epoch in (1, 2):
        before = played.calls.count("log")
        played.train(epoch, epoch)
        until(lambda before=before: played.calls.count("log") > before, "it copies while somebody trains")
    assert sidecar.poll() is None
    played.supervisor.release()
    assert sidecar.wait(PATIENCE) == 0
    assert "exit code 1" in played.calls


def test_it_ends_at_once_when_the_run_is_removed(fake: Callable[..., Played], tmp_path: Path) -> None:
    played = fake("hang in log")
    played.begin()
    played.train(1, 1)
    sidecar = played.start()
    until(lambda: "log" in played.calls, "it hangs")
    played.run.root.rename(tmp_path / "trash")
    assert sidecar.wait(PATIENCE) == 1
    assert not played.run.root.exists()


def test_two_sidecars_of_one_run_follow_each_other(fake: Callable[..., Played], tmp_path: Path) -> None:
    played = fake("no")
    played.begin()
    played.train(1, 1)
    held = acquire(run_lock_path(played.run, "track"))
    assert held is not None
    code = (
        "import core.tracking.watch as watch; from pathlib import Path\n"
        "real, told = watch.acquire, Path(os.environ['TOLD'])\n"
        "def acquire(path, timeout):\n"
        "    told.write_text('refused' if real(path) is None else 'free')\n"
        "    lock = real(path, timeout=timeout)\n"
        "    told.write_text('taken' if lock else 'given up')\n"
        "    return lock\n"
        "watch.acquire = acquire"
    )
    told = tmp_path / "told"
    played.environment["TOLD"] = str(told)
    sidecar = subprocess.Popen(patched_command(played, code), env=played.environment)
    until(lambda: told.exists() and told.read_text(), "the second one tries")
    assert told.read_text() == "refused"
    assert not played.calls
    held.release()
    played.end()
    assert sidecar.wait(PATIENCE) == 0
    assert told.read_text() == "taken"
    assert played.calls.endswith("exit code 0\n")


def test_a_run_without_trackers_starts_nothing(play: Callable[..., Played]) -> None:
    played = play()
    played.begin()
    assert played.copy() == 0
    assert not played.run.tracking.exists()
