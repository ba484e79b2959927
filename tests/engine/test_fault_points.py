"""A trainer killed (or denied) at its n-th file operation, for all n: the run goes on to the same bits."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest

from core.store.checkpoints import list_checkpoints, newest_good, verify
from core.store.metrics import read_history
from core.store.paths import RunPaths
from core.store.runs import add_request
from core.store.state import derive_state

SOAK = bool(os.environ.get("LABTUI_SOAK"))
# Every operation in `make soak`; every 61st, from another one on in each case, in the daily run.
EVERY = 1 if SOAK else 61
OVERRIDES = (
    "epochs=2",
    "batch=17",
    "scheduler={name: plateau, patience: 0}",
    "ema=0.9",
    "checkpoint.keep=1",
    "early_stop.patience=5",
)
Train = Callable[[RunPaths, str], int]


@pytest.mark.parametrize("how", ["kill", "enospc", "eio"])
def test_fault_at_every_operation(lab: Any, forked: Train, sha: Any, curve: Any, how: str) -> None:
    whole = lab.create(*OVERRIDES)
    assert forked(whole, "-") == 0
    bits, rows, finals = sha(whole), curve(whole), read_history(whole.metrics).finals
    operations = int(whole.attempt(1).log.read_text().split("operations: ")[1])
    assert operations > 50
    for number in range(1 + ["kill", "enospc", "eio"].index(how), operations + 1, EVERY):
        run = lab.create(*OVERRIDES)
        status = forked(run, f"{number}:{how}")
        assert status in ((-signal.SIGKILL,) if how == "kill" else (0, 1)), number
        assert all(verify(item) is None for item in list_checkpoints(run))
        if how != "kill":
            assert not list(run.root.rglob("*.tmp")), number
        if derive_state(run).state != "finished":
            good = newest_good(run)
            add_request(run, good.id if good else None, 2)
            assert forked(run, "-") == 0, number
        assert derive_state(run).state == "finished"
        assert curve(run) == rows, number
        assert sha(run) == bits, number
        got = read_history(run.metrics).finals
        assert [row["test/loss"] for row in got[-1:]] == [row["test/loss"] for row in finals], number
        shutil.rmtree(run.root)
