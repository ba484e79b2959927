"""`labtui` as a user types it: real trainers in the background, followed, stopped, resumed, refused."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import core.launch.dispatch as dispatch
from core.cli.main import main
from core.store.locks import is_held, run_lock_path
from core.store.metrics import read_history
from core.store.paths import RunPaths
from tests.process.process_tools import Forker, until

LABTUI = [str(Path(sys.executable).with_name("labtui"))]
FORKED = [sys.executable, "-P", str(Path(__file__).with_name("forked_labtui.py"))]
PATIENCE = 120.0
CONFIG = """\
data: {format: synthetic, root: ../pictures, synthetic: {images: 60, classes: 2, groups: 1, size: 32}}
model: tinyvgg_a
epochs: 2
batch: 8
learning_rate: 0.01
device: cpu
threads: 1
"""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Lab:
    """A workspace and the command line on it; trainers come from a fork server."""

    def __init__(self, folder: Path, forker: Forker) -> None:
        self.root = folder / "lab"
        (self.root / "configs").mkdir(parents=True)
        (self.root / "configs" / "small.yaml").write_text(CONFIG)
        self._own = {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "LABTUI_CPU_SLOTS": "8",
            "FORK_SERVER": str(forker.path),
            "PYTHONPATH": "",
        }

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._own}

    def __call__(self, *words: str, code: int = 0) -> Ended:
        """Run a command in this process, as if it stood in the workspace."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.root)
            for name, value in self._own.items():
                patch.setenv(name, value)
            ended = Ended(main(words), out.getvalue(), err.getvalue())
        return checked(ended, code)

    def real(self, *words: str, code: int = 0) -> Ended:
        """Run the installed `labtui`, with a supervisor and trainer of its own."""
        ended = subprocess.run(
            [*LABTUI, *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return checked(Ended(ended.returncode, ended.stdout, ended.stderr), code)

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)

    def train(self, *words: str) -> str:
        return str(self.json("train", "--config", "small", *words)["id"])

    def run(self, run_id: str) -> RunPaths:
        return RunPaths(self.root / "runs" / run_id)

    def epochs(self, run_id: str) -> list[int]:
        return [row["epoch"] for row in read_history(self.run(run_id).metrics).epochs]


def checked(ended: Ended, code: int) -> Ended:
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, forker: Forker) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            dispatch, "_spawn_supervisor", importlib.import_module("tests.process.forked_labtui").spawn
        )
        place = Lab(tmp_path_factory.mktemp("cli"), forker)
        yield place
        for run in place.json("ls"):
            if run["state"] in ("queued", "starting", "running", "stopping"):
                place("stop", run["id"], "--kill")
                place("wait", run["id"], code=4)


@pytest.fixture(scope="module")
def finished(lab: Lab) -> str:
    """A run of the real `labtui` that has finished, followed without a terminal: plain lines."""
    followed = lab.real("train", "--config", "small", "--checkpoint", "first", "--foreground")
    assert "\x1b" not in followed.stderr
    assert re.search(r"^epoch 2/2  train/loss", followed.stderr, re.MULTILINE)
    assert "finished at epoch 2 of 2; best val/accuracy" in followed.stderr
    return followed.stdout.removesuffix("\n")


def test_train_wait_and_the_documents(lab: Lab, finished: str) -> None:
    shown = lab.json("show", "first")
    assert (shown["id"], shown["name"], shown["state"], shown["reason"]) == (
        finished,
        "first",
        "finished",
        "",
    )
    assert (shown["epoch"], shown["epochs"], shown["parent"]) == (2, 2, None)
    assert [point["epoch"] for point in shown["checkpoints"]] == [1, 2]
    for point in shown["checkpoints"]:
        assert set(point) >= {"id", "epoch", "step", "file", "bytes", "sha256", "metrics", "pinned"}
        assert Path(point["file"]).stat().st_size == point["bytes"]
    assert shown["best"]["metric"] == "val/accuracy"
    assert shown["best"]["checkpoint"] in [point["id"] for point in shown["checkpoints"]]
    listed = {run["id"]: run for run in lab.json("ls")}[finished]
    assert listed == {name: value for name, value in shown.items() if name in listed}
    assert "checkpoints" not in listed
    measured = lab.json("metrics", finished)
    assert (measured["id"], measured["superseded"]) == (finished, 0)
    assert [row["epoch"] for row in measured["epochs"]] == [1, 2]
    best = max(row["val/accuracy"] for row in measured["epochs"])
    assert shown["best"]["value"] == best
    assert all({"step", "epoch"} <= set(row) for row in measured["steps"])


def test_words_for_people(lab: Lab, finished: str) -> None:
    assert re.search(rf"^{finished}  first  ✓ finished +2/2 +0\.\d{{4}}@[12]", lab("ls").stdout, re.MULTILINE)
    assert "a01-e0002" in lab("show", finished[:-1]).stdout
    rows = list(csv.DictReader(io.StringIO(lab("metrics", finished, "--csv").stdout)))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["val/accuracy"]) <= 1 for row in rows)
    assert "epoch 2/2" in lab("log", finished).stdout


def test_a_finished_run_has_nothing_to_do(lab: Lab, finished: str) -> None:
    before = lab.run(finished).metrics.read_bytes(), lab.json("show", finished)["checkpoints"]
    refused = lab("resume", finished, code=5)
    assert "already finished" in refused.stderr
    assert "nothing to do" in refused.stderr
    assert "--more" in refused.stderr
    assert (lab.run(finished).metrics.read_bytes(), lab.json("show", finished)["checkpoints"]) == before
    assert "nothing to stop" in lab("stop", finished, code=5).stderr


def test_further_epochs_of_the_same_config_join_up(lab: Lab) -> None:
    run = lab.train("--epoch", "1", "--set", "seed=5", "--new")
    lab("wait", run)
    again = lab("train", "--config", "small", "--epoch", "1", "--set", "seed=5")
    assert again.stdout.strip() == run
    assert f"continuing {run} at epoch 2" in again.stderr
    lab("wait", run)
    assert lab.epochs(run) == [1, 2]
    assert len(lab.run(run).metrics.read_bytes().split(b'"scope":"epoch"')) == 3
    edited = lab("train", "--config", "small", "--epoch", "1", "--set", "batch=4", "--set", "seed=5", code=2)
    assert "batch 8 -> 4" in edited.stderr
    forked = lab.json("resume", run, "--from", "1", "--set", "learning_rate=0.001", "--more", "1")["id"]
    assert forked != run
    lab("wait", forked)
    shown = lab.json("show", forked)
    assert (shown["parent"], shown["epoch"], shown["epochs"]) == (run, 2, 2)
    assert lab.epochs(forked) == [1, 2]
    assert read_history(lab.run(forked).metrics).epochs[-1]["lr"] == 0.001
    assert lab.epochs(run) == [1, 2]


def test_stop_saves_and_resume_goes_on_with_every_epoch_once(lab: Lab) -> None:
    run = lab.train("--epochs", "300", "--set", "seed=6")
    until(lambda: lab.epochs(run), "the first epoch has ended")
    assert "train" in lab("rm", run, "--yes", code=5).stderr or "running" in lab.json("show", run)["state"]
    assert "is still running" in lab("wait", run, "--timeout", "0", code=5).stderr
    refused = lab("train", "--config", "small", "--epoch", "1", "--set", "seed=6", code=5)
    assert f"labtui wait {run}" in refused.stderr
    lab("stop", run)
    lab("wait", run)
    shown = lab.json("show", run)
    assert shown["state"] == "stopped"
    done = shown["epoch"]
    assert 1 <= done < 300
    assert shown["checkpoints"][-1]["step"] >= read_history(lab.run(run).metrics).epochs[-1]["step"]
    assert (
        f"labtui resume {run}"
        in lab("train", "--config", "small", "--epoch", "1", "--set", "seed=6", code=5).stderr
    )
    lab("resume", run, "--epochs", str(done + 2))
    lab("wait", run)
    assert lab.json("show", run)["state"] == "finished"
    assert lab.epochs(run) == list(range(1, done + 3))
    assert lab.json("metrics", run)["superseded"] == 0


def test_a_failed_run_says_why_everywhere(lab: Lab) -> None:
    followed = lab(
        "train", "--config", "small", "--device", "cuda", "--set", "seed=7", "--foreground", code=4
    )
    run = followed.stdout.strip()
    waited = lab("wait", run, code=4)
    assert followed.stderr.endswith(waited.stderr)
    reason = lab.json("show", run)["reason"]
    assert "cuda" in reason
    assert reason in waited.stderr
    assert reason in lab("ls").stdout
    assert f"labtui resume {run}" in waited.stderr
    lab("rm", run, code=2)
    assert lab.json("rm", run, "--yes")["id"] == run
    assert not lab.run(run).root.exists()


def test_six_at_once_are_six_runs(lab: Lab) -> None:
    command = [*FORKED, "train", "--config", "small", "--epochs", "1", "--set", "seed=8", "--json"]
    started = [
        subprocess.Popen(
            command, cwd=lab.root, env=lab.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(6)
    ]
    runs = [json.loads(process.communicate(timeout=PATIENCE)[0])["id"] for process in started]
    assert len(set(runs)) == 6
    queue = lab.json("queue")
    assert [slot["name"] for slot in queue["slots"]] == [f"cpu{number}" for number in range(8)]
    for run in runs:
        lab("wait", run)
    assert [lab.epochs(run) for run in runs] == [[1]] * 6
    assert len({lab.run(run).metrics.read_bytes() for run in runs}) == 6


class Terminal:
    """`labtui` on a terminal of its own; what it shows is collected."""

    def __init__(self, lab: Lab, *words: str) -> None:
        self.shown = ""
        pid, self._fd = pty.fork()
        if pid == 0:
            os.chdir(lab.root)
            os.execve(FORKED[0], [*FORKED, *words], {**lab.environment, "TERM": "xterm-256color"})
        self.pid = pid

    def expect(self, pattern: str) -> str:
        until(lambda: self._read() or re.search(pattern, self.shown), f"{pattern!r} is shown")
        found = re.search(pattern, self.shown)
        assert found
        return found[0]

    def press(self, key: bytes) -> None:
        os.write(self._fd, key)

    def hang_up(self) -> None:
        os.close(self._fd)

    def end(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> None:
        while select.select([self._fd], [], [], 0)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.shown += data.decode("utf-8", "replace")


def test_foreground_shows_progress_and_ctrl_c_saves(lab: Lab) -> None:
    terminal = Terminal(
        lab, "train", "--config", "small", "--epochs", "500", "--set", "seed=9", "--foreground"
    )
    run = terminal.expect(r"\d{8}-\d{6}-small-[0-9a-f]{4}")
    terminal.expect(r"epoch 1/500  train/loss \S+  train/accuracy \S+  val/loss \S+  val/accuracy")
    terminal.expect(r"epoch \d+/500 .*images/s")
    terminal.press(b"\x03")
    terminal.expect("saving a checkpoint and stopping")
    terminal.expect(f"labtui resume {run}")
    assert terminal.end() == 130
    shown = lab.json("show", run)
    assert shown["state"] == "stopped"
    assert shown["checkpoints"]

    again = Terminal(lab, "resume", run, "--foreground")
    again.expect(r"continues at")
    again.expect(r"epoch \d+/500 .*images/s")
    again.hang_up()
    assert os.waitstatus_to_exitcode(os.waitpid(again.pid, 0)[1]) in (0, -signal.SIGHUP)
    assert is_held(run_lock_path(lab.run(run), "train"))
    assert lab.json("show", run)["state"] == "running"
    lab("stop", run)
    lab("wait", run)


def test_measure_predict_and_compare(lab: Lab, finished: str) -> None:
    """The real `labtui measure` with a process of its own; the rest of the commands on what it leaves."""
    run = lab.run(finished)
    measured = lab.real("measure", finished, "--splits", "train,val", "--at", "all", "--json")
    document = json.loads(measured.stdout)
    assert [(row["checkpoint"], row["split"], row["new"]) for row in document["rows"]] == [
        ("a01-e0001", "train", True),
        ("a01-e0001", "val", False),
        ("a01-e0002", "train", True),
        ("a01-e0002", "val", False),
    ]
    curve = read_history(run.metrics).epochs
    values = {row["checkpoint"]: row["metrics"] for row in document["rows"] if row["split"] == "val"}
    assert [values[f"a01-e000{row['epoch']}"]["accuracy"] for row in curve] == [
        row["val/accuracy"] for row in curve
    ]
    assert document["unreadable"] == []
    assert "finished" in measured.stderr
    again = lab("measure", finished, "--at", "best", "--splits", "train")
    assert re.match(r"checkpoint  split  images +loss  accuracy  accuracy_macro  f1_macro\n", again.stdout)
    picture = next(path for path in (lab.root / "pictures").rglob("*.png"))
    predicted = lab.json("predict", finished, str(picture))
    assert [top["class"] for top in predicted["images"][0]["top"]]
    assert Path(predicted["file"]).exists()
    shown = lab.json("show", finished)
    assert [job["state"] for job in shown["jobs"]] == ["finished"] * 3
    assert {(row["checkpoint"], row["split"]) for row in shown["measures"]} >= {
        ("a01-e0001", "train"),
        ("a01-e0002", "val"),
    }
    words = lab("show", finished).stdout
    for part in ("parameters", "measure-0001", "measured", "of it checkpoints", "class, val at"):
        assert part in words
    other = lab.train("--new", "--set", "seed=3", "--epochs", "1")
    lab("wait", other)
    compared = lab.json("diff", finished, other)
    assert [item["key"] for item in compared["settings"]] == ["seed", "epochs"]
    assert compared["comparable"] is True
    assert lab.json("measure", "--config", "small", "--at", "last")["id"] == other
    assert lab("tag", finished, "+good").stdout == "good\n"
    assert [item["id"] for item in lab.json("ls", "--tag", "good")] == [finished]


def test_a_damaged_checkpoint_is_named_and_the_others_are_measured(lab: Lab) -> None:
    run = lab.train("--new", "--set", "seed=11")
    lab("wait", run)
    file = lab.run(run).checkpoints / "a01-e0001.pt"
    file.write_bytes(file.read_bytes()[:-1])
    ended = lab("measure", run, "--splits", "val,train", code=4)
    assert "a01-e0002   train" in ended.stdout
    assert "a01-e0001   train" not in ended.stdout
    assert f"a01-e0001 was left out: Checkpoint {file} is damaged" in ended.stderr
    shown = lab("show", run).stdout
    assert re.search(r"^a01-e0001 .*unreadable$", shown, re.MULTILINE)


def test_ctrl_c_stops_a_measure_and_keeps_what_it_has(lab: Lab) -> None:
    run = lab.train("--new", "--set", "seed=12", "--epochs", "12", "--set", "measure.every=12")
    lab("wait", run)
    terminal = Terminal(lab, "measure", run, "--splits", "train,val,test", "--batch", "1")
    rows, job = lab.run(run).measures, lab.run(run).job("measure", 1)
    until(lambda: len(list(rows.glob("*.json"))) > 2, "some rows are there")
    process = int(json.loads(job.start.read_text())["trainer"]["pid"])
    os.kill(process, signal.SIGSTOP)
    terminal.press(b"\x03")
    terminal.expect("stopping; what is done stays")
    os.kill(process, signal.SIGCONT)
    terminal.expect("measure-0001 of .* stopped")
    assert terminal.end() == 130
    kept = len(list(lab.run(run).measures.glob("*.json")))
    assert 2 < kept < 36
    document = lab.json("measure", run, "--splits", "train,val,test", "--batch", "1")
    assert len(document["rows"]) == 36
    assert sum(not row["new"] for row in document["rows"]) == kept
