"""Forks trainers that die at a chosen file operation: lines `RUN ATTEMPT FAULT` in, exit statuses out.

FAULT is one of `core.store.faults`, `files=N` for a trainer that may have N files open, or `-` for none.
The process has everything imported and has trained nothing, so that forking it is safe and fast.
"""

from __future__ import annotations

import os
import resource
import sys
import traceback
from pathlib import Path

import torch
import torch._dynamo

from core.engine.attempt import run_attempt
from core.engine.stop import StopFlag
from core.store import faults
from core.store.paths import RunPaths

torch.set_num_threads(1)


def child(run: RunPaths, attempt: int, fault: str) -> int:
    output = os.open(run.attempt(attempt).log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if fault.startswith("files="):
        limit = int(fault.removeprefix("files="))
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        fault = "-"
    faults.arm("" if fault == "-" else fault)
    with faults.recording() as operations:
        code = run_attempt(run, attempt, StopFlag())
    print(f"operations: {len(operations)}", flush=True)
    return code


for line in sys.stdin:
    folder, number, wanted = line.rsplit(maxsplit=2)
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = child(RunPaths(Path(folder)), int(number), wanted)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
