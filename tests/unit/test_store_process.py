from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.store import process
from core.store.process import is_running
from core.store.version import code_version, git_commit


def test_a_process_is_known_again() -> None:
    me = process.identify()
    assert process.is_same(me)
    assert not process.is_same({**me, "ticks": me["ticks"] + 1}), "a reused pid"
    assert not process.is_same({**me, "boot_id": "another boot"})
    assert not process.is_same({**me, "host": "elsewhere"})
    assert not process.is_same({})
    assert not process.is_same({**me, "pid": "1"})


def test_a_dead_process_is_gone_even_as_a_zombie() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    identity = process.identify(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_running(child.pid), "a zombie does not run"
    assert not process.is_same(identity)
    child.wait()
    assert process.start_ticks(child.pid) is None


def test_the_commit_is_read_from_git_files(tmp_path: Path) -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    git = tmp_path / ".git"
    git.mkdir()
    assert git_commit(tmp_path) is None
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{sha} refs/heads/main\n")
    assert git_commit(tmp_path) == sha
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/main").write_text("f" * 40 + "\n")
    assert git_commit(tmp_path) == "f" * 40
    (git / "HEAD").write_text(sha)
    assert git_commit(tmp_path) == sha
    (git / "HEAD").write_text("\x1b[2J")
    assert git_commit(tmp_path) is None


def test_a_worktree_has_its_commit(tmp_path: Path) -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    main, tree = tmp_path / "main/.git", tmp_path / "tree"
    (main / "worktrees/tree").mkdir(parents=True)
    (main / "refs/heads").mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {main}/worktrees/tree\n")
    (main / "worktrees/tree/HEAD").write_text("ref: refs/heads/side\n")
    (main / "worktrees/tree/commondir").write_text("../..\n")
    (main / "refs/heads/side").write_text(sha)
    assert git_commit(tree) == sha


def test_the_version_is_recorded() -> None:
    assert code_version()["version"]


_CHILD = """
import os, sys, time
from core.store.process import end_with_asker
end_with_asker()
print(os.getpid(), "LABTUI_ASKER" in os.environ, flush=True)
time.sleep(600)
"""
_PARENT = """
import os, subprocess, sys
from core.store.process import asker
command = [sys.executable, "-c", sys.argv[1]]
child = subprocess.Popen(command, env={**os.environ, **asker()}, start_new_session=True)
child.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_answers_ends_with_who_asked(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, _CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid, still_named = parent.stdout.readline().split()
    assert still_named == "False", "its own children have another parent"
    assert is_running(int(pid))
    parent.send_signal(number)
    parent.wait()
    deadline = time.monotonic() + 30
    while is_running(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(pid))


def test_nobody_to_answer_any_more() -> None:
    """The asker went while this process started."""
    environment = {**os.environ, "LABTUI_ASKER": "1"}
    done = subprocess.run([sys.executable, "-c", _CHILD], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
