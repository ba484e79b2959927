"""Forks supervisors and trainers out of a process that has torch imported: `python fork_server.py SOCKET`.

Real processes, real signals, the real supervisor; only the seconds of each import of torch are saved.
One JSON line per connection: {"run", "request", "job", "environment"} -> {"pid": supervisor}; `job` is a name
or null, `environment` all that the supervisor has of it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import torch

import core.launch.supervisor as supervisor_module
from core.engine.__main__ import main as train_main
from core.evaluate.__main__ import main as evaluate_main
from core.launch.slots import Board, Need
from core.launch.supervisor import Launch, supervise
from core.launch.work_item import Work
from core.store.locks import acquire
from core.store.paths import JobPaths, RunPaths

torch.set_num_threads(1)
# Clients start every request themselves: a supervisor's last act must not start it a second time.
supervisor_module.dispatch = lambda view=None: []  # type: ignore[assignment, attr-defined]
# The modules that a child's first act would import, each seconds of work.
importlib.import_module("core.engine.attempt")
importlib.import_module("core.evaluate.worker")
importlib.import_module("core.engine.class_scores")
torch.optim.SGD([torch.zeros(1)], lr=1.0)


class ForkedTrainer:
    """A trainer made by fork; the same interface as a Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _become(log: Path) -> None:
    """New session, no terminal, output to `log`."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def fork_trainer(launch: Launch) -> ForkedTrainer:
    """What `start_trainer` does, without a fresh interpreter."""
    pid = os.fork()
    if pid:
        return ForkedTrainer(pid)
    code = 1
    try:
        _become(launch.attempt.log)
        os.environ.update(launch.environment)
        os.environ.pop("LABTUI_LOCK_FDS", None)
        os.chdir(launch.work.run.root)
        run, job = launch.work.run.root, launch.work.job
        if job is None:
            code = train_main([str(run), str(launch.attempt.number)])
        else:
            code = evaluate_main([str(run), job.root.name])
    finally:
        sys.stdout.flush()
        os._exit(code)


def fork_supervisor(work: Work, environment: dict[str, str], log: Path) -> None:
    """The body of a supervisor's process."""
    _become(log)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    supervisor_lock = acquire(work.supervisor_lock, timeout=10)
    taken = Board().take(Need("cpu"))
    assert supervisor_lock is not None
    assert taken is not None
    slot, slot_lock = taken
    one_thread = dataclasses.replace(slot, threads=1)
    supervise(work, one_thread, slot_lock, supervisor_lock, fork_trainer)


def work_of(asked: dict[str, Any]) -> Work:
    """What a client asks for."""
    run, name = RunPaths(Path(asked["run"])), asked["job"]
    return Work(run, asked["request"]) if name is None else Work(run, 0, JobPaths(run.jobs / name))


def serve(path: str) -> None:
    """Answer until somebody kills this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)
    while True:
        connection, _ = server.accept()
        with connection:
            asked = json.loads(connection.makefile().readline())
            pid = os.fork()
            if pid == 0:
                server.close()
                connection.close()
                try:
                    fork_supervisor(work_of(asked), asked["environment"], Path(path).with_suffix(".log"))
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
