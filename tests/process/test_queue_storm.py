"""Many processes that create, stop, kill, resume and remove runs at once, beside workspaces that are broken.

One workspace of a user cannot be read, one is on a full disk, one holds runs of a newer format: every healthy
run finishes, what cannot begin says why, and no process stays. `make soak` does it for minutes, as two users.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.config.workspace import Workspace, state_home
from core.launch.delays import forget_all
from core.launch.dispatch import dispatch
from core.launch.queue import register
from core.launch.queue_reasons import waiting_reasons
from core.store.attempts import begin_attempt, read_attempt, write_error, write_exit
from core.store.files import reserve
from core.store.paths import RunPaths
from core.store.runs import request_stop
from core.store.state import derive_state
from tests.process.process_tools import HERE, stub_run, until

MINUTES = float(os.environ.get("LABTUI_SOAK_MINUTES", "5"))
ROOT = HERE.parents[1]
USERS = (12001, 12002)
"""Numbers that need no account: a process may have any."""

REAL = """
data: {format: synthetic, root: ../pictures, synthetic: {images: 60, classes: 2, groups: 1, size: 32}}
model: tinyvgg_a
epochs: 1
batch: 16
device: cpu
"""


def newer(workspace: Workspace) -> RunPaths:
    """A queued run as a later labtui might leave it."""
    run = stub_run(workspace, "finish")
    spec = json.loads(run.spec.read_text())
    run.spec.write_text(json.dumps({**spec, "format": 99}))
    return run


def unreadable(number: int) -> None:
    """Remember workspaces that no system call can look at, whoever asks."""
    folder = state_home() / "workspaces"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:016x}").write_bytes(b"/" + b"x" * 5000)
    (folder / f"{number + 1:016x}").write_bytes(b"\xff\x00")
    (folder / f"{number + 2:016x}").mkdir()


def mounted(place: Path, size: str) -> None:
    """A small disk of its own; skips, loudly, where that cannot be had."""
    place.mkdir(parents=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "labtui-test", str(place)],
            capture_output=True,
        )
    except OSError as error:
        pytest.skip(f"NOT TESTED, no small disk can be mounted: {error}")
    if done.returncode:
        pytest.skip(f"NOT TESTED, no small disk can be mounted: {done.stderr.decode().strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    place = tmp_path / "disk"
    mounted(place, "1m")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def processes_of(state: Path) -> list[psutil.Process]:
    """Processes that have this state folder, but for the test's own."""
    found = []
    for process in psutil.process_iter(["pid"]):
        try:
            given = process.environ().get("XDG_STATE_HOME")
            if process.pid != os.getpid() and given == str(state.parent) and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found


def storm(folder: Path, number: int, settings: dict[str, Any], **how: Any) -> subprocess.Popen[bytes]:
    file = folder / f"storm{number}.json"
    file.write_text(json.dumps({"seed": number, "result": str(folder / f"result{number}.json"), **settings}))
    environment = {**os.environ, "STUB_DISPATCH_EVERY": "0.5", "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    python = how.pop("python", sys.executable)
    return subprocess.Popen(
        [python, "-P", str(HERE / "queue_storm.py"), str(file)],
        env={**environment, **how.pop("environment", {})},
        stderr=(folder / f"errors{number}.txt").open("wb"),
        **how,
    )


def results(folder: Path, storms: dict[int, subprocess.Popen[bytes]]) -> list[dict[str, Any]]:
    found = []
    for number, process in storms.items():
        code = process.wait()
        assert code == 0, (folder / f"errors{number}.txt").read_text()
        found.append(json.loads((folder / f"result{number}.json").read_text()))
    return found


def test_bad_workspaces_harm_no_other(stubbed: Workspace, tmp_path: Path) -> None:
    unreadable(0)
    other = Workspace(tmp_path / "other")
    other.runs.mkdir(parents=True)
    register(other)
    later = newer(other)
    (stubbed.runs / "loop").symlink_to("loop")
    settings = {"seconds": 3.0, "good": [str(stubbed.root), str(other.root)], "full": None, "real": 0}
    found = results(tmp_path, {number: storm(tmp_path, number, settings) for number in range(2)})
    for result in found:
        assert result["faults"] == []
        for root in result["healthy"]:
            assert derive_state(RunPaths(Path(root))).state == "finished"
    assert sum(result.get("made", 0) for result in found) > 2
    assert "newer labtui" in waiting_reasons()[str(later.root)]
    until(lambda: not processes_of(state_home()), "no process stays for what can never begin here")


def test_a_full_disk_holds_up_no_other(stubbed: Workspace, disk: Path) -> None:
    """Its run says why it waits, the ones behind it start, and it starts itself when there is room."""
    full = Workspace(disk / "lab")
    full.runs.mkdir(parents=True)
    register(full)
    stuck = stub_run(full, "finish")
    fill(disk)
    behind = [stub_run(stubbed, "finish") for _ in range(3)]
    dispatch()
    until(lambda: all(derive_state(run).state == "finished" for run in behind), "those behind it finish")
    assert derive_state(stuck).state == "queued"
    reason = waiting_reasons()[str(stuck.root)]
    assert "could not start: the disk is full" in reason
    assert "again in" in reason
    (disk / "ballast").unlink()
    forget_all()
    dispatch()
    until(lambda: derive_state(stuck).state == "finished", "there is room again")
    until(lambda: not processes_of(state_home()), "nobody stays")


def test_a_disk_that_fills_up_takes_no_last_word(stubbed: Workspace, disk: Path) -> None:
    """Space for error.json and exit.json was kept: nothing is called lost that ended before our eyes."""
    full = Workspace(disk / "lab")
    full.runs.mkdir(parents=True)
    register(full)
    failing, killed = stub_run(full, "wait"), stub_run(full, "wait")
    attempt = begin_attempt(failing, 1, slot="cpu0", threads=1)
    kept = reserve(attempt.error), reserve(attempt.exit)
    dispatch()
    until((killed.attempt(1).root / "seen.json").exists, "the other one trains")
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        write_exit(attempt, code=1, signal=None)
    write_error(attempt, "OSError", "The disk is full: " + "é" * 900, reserve=kept[0])
    write_exit(attempt, code=1, signal=None, reserve=kept[1])
    state = derive_state(failing)
    assert (state.state, state.reason[:20]) == ("failed", "The disk is full: éé")
    request_stop(killed, kill=True)
    until(lambda: derive_state(killed).state == "stopped", "its supervisor writes down how it ended")
    assert read_attempt(killed, 1).exited
    assert [name for name in os.listdir(attempt.root) if name.endswith(".tmp")] == []
    until(lambda: not processes_of(state_home()), "nobody stays")


@pytest.mark.skipif(not os.environ.get("LABTUI_SOAK"), reason="make soak: minutes, and two users")
def test_two_users_for_minutes() -> None:
    if os.geteuid():
        pytest.skip("NOT TESTED, only root can be two users")
    folder = Path(tempfile.mkdtemp(prefix="labtui-soak-"))
    folder.chmod(0o755)
    # The interpreter may lie in a home that nobody else may enter.
    interpreter = folder / "python"
    interpreter.mkdir()
    bound = subprocess.run(["mount", "--bind", sys.base_prefix, str(interpreter)], capture_output=True)
    if bound.returncode:
        pytest.skip(f"NOT TESTED, no folder can be mounted: {bound.stderr.decode().strip()}")
    python = str(interpreter / "bin" / Path(sys.executable).resolve().name)
    search = os.pathsep.join((str(ROOT), str(HERE), sysconfig.get_path("purelib")))
    storms: dict[int, subprocess.Popen[bytes]] = {}
    places: list[Path] = []
    disks = [interpreter]
    try:
        for uid in USERS:
            home = folder / str(uid)
            places.append(home)
            disk = home / "disk"
            mounted(disk, "2m")
            disks.append(disk)
            environment = {
                "HOME": str(home),
                "XDG_STATE_HOME": str(home / "state"),
                "XDG_CACHE_HOME": str(home / "cache"),
                "LABTUI_CPU_SLOTS": "2",
                "OMP_NUM_THREADS": "1",
                "STUB_DISPATCH_EVERY": "0.5",
                "PYTHONPATH": search,
            }
            prepared = subprocess.run(
                [sys.executable, "-c", _PREPARE, str(home)],
                env={**os.environ, **environment},
                capture_output=True,
            )
            assert prepared.returncode == 0, prepared.stderr.decode()
            for path in (home, *home.rglob("*")):
                os.chown(path, uid, uid, follow_symlinks=False)
            hidden = home / "hidden"
            os.chown(hidden, 0, 0)
            hidden.chmod(0o700)
            fill(disk)
            good = [str(home / name) for name in ("one", "newer")]
            for number in (uid * 10, uid * 10 + 1):
                settings = {
                    "seconds": MINUTES * 60,
                    "good": good,
                    "full": str(disk / "lab"),
                    "real": 3 * (number % 2),
                }
                how: dict[str, Any] = {"environment": environment, "user": uid, "group": uid, "cwd": home}
                storms[number] = storm(home, number, settings, python=python, **how)
        found: list[dict[str, Any]] = []
        for home, uid in zip(places, USERS, strict=True):
            mine = {number: process for number, process in storms.items() if number // 10 == uid}
            found += results(home, mine)
        for result in found:
            assert result["faults"] == []
            states = [derive_state(RunPaths(Path(root))) for root in result["healthy"]]
            assert [state for state in states if state.state != "finished"] == []
        for home, disk, uid in zip(places, disks[1:], USERS, strict=True):
            (disk / "ballast").unlink()
            asked = subprocess.run(
                [python, "-c", _FREE, str(home)],
                env={
                    **os.environ,
                    "HOME": str(home),
                    "XDG_STATE_HOME": str(home / "state"),
                    "XDG_CACHE_HOME": str(home / "cache"),
                    "PYTHONPATH": search,
                    "STUB_DISPATCH_EVERY": "0.5",
                },
                user=uid,
                group=uid,
                cwd=home,
                capture_output=True,
            )
            assert asked.returncode == 0, asked.stderr.decode()
            print(f"user {uid}: {asked.stdout.decode().strip()}")
            until(lambda home=home: not processes_of(home / "state" / "labtui"), "no process stays", 120)
            log = home / "state" / "labtui" / "supervisor.log"
            print(f"user {uid}: supervisor.log {log.stat().st_size if log.exists() else 0} bytes")
        total = {key: sum(result.get(key, 0) for result in found) for key in _COUNTS}
        total["healthy"] = sum(len(result["healthy"]) for result in found)
        print(f"{MINUTES:g} minutes, {len(storms)} processes, {len(USERS)} users: {total}")
    finally:
        for process in storms.values():
            process.kill()
        for home in places:
            for process in processes_of(home / "state" / "labtui"):  # type: ignore[assignment]
                process.kill()
        for disk in disks:
            subprocess.run(["umount", "-l", str(disk)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


_COUNTS = ("made", "stopped", "killed", "resumed", "removed", "refused", "looks")
_PREPARE = f"""
import json, sys
from pathlib import Path
from tests.process.process_tools import stub_run
from core.config.workspace import Workspace
from core.launch.queue import register
home = Path(sys.argv[1])
for name in ("one", "newer", "hidden", "disk/lab"):
    made = Workspace(home / name)
    made.runs.mkdir(parents=True)
    made.configs.mkdir()
    register(made)
(home / "one" / "configs" / "real.yaml").write_text({REAL!r})
for name in ("newer", "disk/lab"):
    run = stub_run(Workspace(home / name), "finish")
    if name == "newer":
        spec = json.loads(run.spec.read_text())
        run.spec.write_text(json.dumps({{**spec, "format": 99}}))
"""
_FREE = """
import sys
from pathlib import Path
from tests.process import stub_supervisor
from tests.process.process_tools import until
from core.config.workspace import Workspace
from core.launch import dispatch
from core.launch.delays import forget_all
from core.launch.queue import QueueView
from core.launch.queue_reasons import waiting_reasons
from core.store.catalogue import list_runs
from core.store.state import derive_state
dispatch.module_command = stub_supervisor.supervisor_command
home = Path(sys.argv[1])
view = QueueView()
view.works()
assert any("hidden" in where for where in view.problems), view.problems
reasons = waiting_reasons()
print("waiting at the end:", sorted(set(reasons.values())))
forget_all()
dispatch.dispatch()
runs = list_runs(Workspace(home / "disk" / "lab"))
until(lambda: all(derive_state(run).state == "finished" for run in runs), "the full disk has room again", 120)
"""
