"""A run that ends is told of once, unless it was stopped; many at once in one sentence."""

from __future__ import annotations

from typing import Any

from core.store.records import Best
from tui.read.endings import endings, told


def test_what_ended_of_itself_is_told(summary: Any) -> None:
    best = Best("val/map", 0.4251, 3, "a01-e0003")
    before = [
        summary(id=f"20261125-080000-demo-{n}", state=state)
        for n, state in enumerate(["running", "running", "queued", "running", "finished", "running"])
    ]
    ends = [
        {"state": "finished", "epoch": 4, "best": best},
        {"state": "failed", "epoch": 2, "reason": "out of GPU memory"},
        {"state": "lost", "epoch": 0},
        {"state": "stopped"},
        {"state": "finished"},
        {"state": "running"},
    ]
    after = [summary(**{"id": run.id, **end}) for run, end in zip(before, ends, strict=True)]
    assert told(endings(before, after)) == [
        ("✓ demo-0 finished after 4 epochs, val/map 0.4251@3", False),
        ("✗ demo-1 failed at epoch 2 of 10: out of GPU memory", True),
        ("? demo-2 lost at epoch 0 of 10", True),
    ]
    assert endings(after, after) == []
    assert endings([], after) == []


def test_many_are_one_sentence(summary: Any) -> None:
    before = [summary(id=f"20261125-080000-demo-{n}", state="running") for n in range(5)]
    after = [summary(id=run.id, state="failed" if n < 2 else "finished") for n, run in enumerate(before)]
    assert told(endings(before, after)) == [("5 runs have ended, 2 of them failed", True)]
    assert told(endings(before, [summary(id=run.id) for run in before])) == [("5 runs have ended", False)]
