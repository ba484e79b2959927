"""Stands in for a trainer (`RUN ATTEMPT`) or a job (`RUN measure-0001`): locks, signals and files as theirs.

What it does is the config's name or job.json's `do`: `finish` at once, `fail`, `wait` for a stop, `count` to
`total` in steps of 10 ms, or `freeze` for good, deaf to signals.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from core.store import files, jobs
from core.store.attempts import write_error
from core.store.locks import acquire, run_lock_path
from core.store.paths import AttemptPaths, RunPaths

SEEN = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LABTUI_SLOT", "LABTUI_THREADS", "GOMP_SPINCOUNT")


def main(root: str, name: str) -> int:
    run = RunPaths(Path(root))
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    if name.isdigit():
        place: AttemptPaths = run.attempt(int(name))
        lock = acquire(run_lock_path(run, "train"), timeout=5)
        asked = {"do": json.loads(run.spec.read_text())["config"]}
    else:
        job = jobs.find_job(run, name)
        place, lock = job, jobs.take_job(job)
        asked = json.loads(job.job.read_text())
    if lock is None:
        return 75
    files.write_json(place.root / "seen.json", {name: os.environ.get(name) for name in SEEN})
    do, status = asked["do"], "finished"
    if do == "fail":
        write_error(place, "ValueError", "told to fail")
        return 1
    if do == "freeze":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    if do == "wait":
        while not stop:
            time.sleep(0.01)
        status = "stopped"
    if do == "count":
        for done in range(1, asked["total"] + 1):
            if stop:
                status = "stopped"
                break
            jobs.write_progress(job, done, asked["total"], f"part {done}")
            time.sleep(0.01)
    files.write_json(place.result, {"status": status, "epoch": 1, "step": 1, "time": time.time()})
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
