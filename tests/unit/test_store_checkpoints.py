from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.errors import CheckpointError
from core.store import files
from core.store.checkpoints import choose, list_checkpoints, newest_good, save_files, verify
from core.store.metrics import MetricsWriter
from core.store.paths import RunPaths, checkpoint_id
from core.store.records import Checkpoint


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wait for the disk, which changes nothing that a test can see."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "r1")
    run.checkpoints.mkdir(parents=True)
    spec = {"format": 1, "id": "r1", "metric": "val/accuracy", "metric_mode": "max"}
    files.write_json(run.spec, spec)
    return run


def save(
    run: RunPaths, attempt: int, epoch: int, value: float | None = None, step: int | None = None, **more: Any
) -> Checkpoint:
    identifier = checkpoint_id(attempt, epoch, step)
    sidecar = {
        "attempt": attempt,
        "epoch": epoch,
        "step": epoch * 10 if step is None else step,
        "metrics": {} if value is None else {"val/accuracy": value},
        "mid_epoch": step is not None,
    }
    return save_files(run, identifier, f"{identifier} weights".encode(), {**sidecar, **more})


def resume(run: RunPaths, attempt: int, epoch: int, step: int | None = None) -> None:
    for number in range(1, attempt + 1):
        run.attempt(number).root.mkdir(parents=True, exist_ok=True)
    with MetricsWriter(run.metrics) as writer:
        step = epoch * 10 if step is None else step
        writer.write({"resume": "x", "attempt": attempt, "epoch": epoch, "step": step, "t": 1.0})


def test_what_was_saved_is_listed(run: RunPaths) -> None:
    saved = [
        save(run, 1, 2, 0.5),
        save(run, 1, 1, 0.4),
        save(run, 1, 3, step=25),
        save(run, 1, 10, float("nan")),
    ]
    listed = list_checkpoints(run)
    assert [item.id for item in listed] == ["a01-e0001", "a01-e0002", "a01-e0003-s000025", "a01-e0010"]
    assert listed[1] == saved[0]
    assert listed[1].bytes == len(b"a01-e0002 weights")
    assert listed[1].metrics == {"val/accuracy": 0.5}
    assert listed[2].mid_epoch
    assert [verify(item) for item in listed] == [None] * 4
    assert json.loads((run.checkpoints / "a01-e0010.json").read_text())["metrics"] == {"val/accuracy": "NaN"}


def test_half_a_checkpoint_is_none(run: RunPaths) -> None:
    save(run, 1, 1)
    (run.checkpoints / "a01-e0002.pt").write_bytes(b"no sidecar")
    (run.checkpoints / "a01-e0003.json").write_bytes((run.checkpoints / "a01-e0001.json").read_bytes())
    assert [item.id for item in list_checkpoints(run)] == ["a01-e0001"]
    assert list_checkpoints(RunPaths(run.root / "gone")) == []


GOOD = {"id": "a01-e0001", "attempt": 1, "epoch": 1, "step": 10, "bytes": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "a01-e0002"},
        {"id": None},
        {"epoch": "1"},
        {"step": -1},
        {"attempt": True},
        {"bytes": 1.5},
        {"sha256": "x" * 64},
        {"sha256": None},
    ],
)
def test_a_damaged_sidecar_is_none(run: RunPaths, change: dict[str, Any]) -> None:
    (run.checkpoints / "a01-e0001.pt").write_bytes(b"x")
    side = run.checkpoints / "a01-e0001.json"
    side.write_text(json.dumps(GOOD))
    assert len(list_checkpoints(run)) == 1
    side.write_text(json.dumps({**GOOD, **change}))
    assert list_checkpoints(run) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff" * 10, b'{"metrics": []}'])
def test_a_torn_sidecar_is_none(run: RunPaths, content: bytes) -> None:
    (run.checkpoints / "a01-e0001.pt").write_bytes(b"x")
    (run.checkpoints / "a01-e0001.json").write_bytes(content)
    assert list_checkpoints(run) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[:-1], "it has 16 bytes, not the 17"),
        (lambda data: b"", "it has 0 bytes"),
        (lambda data: data[:8] + bytes([data[8] ^ 1]) + data[9:], "sha256 differs"),
        (lambda data: data + b"x", "it has 18 bytes"),
    ],
    ids=["cut by a byte", "empty", "one bit flipped", "longer"],
)
def test_a_damaged_file_is_named_and_the_newest_good_one_offered(
    run: RunPaths, damage: Any, says: str
) -> None:
    for epoch in (1, 2, 3):
        save(run, 1, epoch)
    last = choose(run, "last")
    last.file.write_bytes(damage(last.file.read_bytes()))
    problem = verify(last)
    assert problem is not None
    assert says in problem
    assert str(last.file) in problem
    assert newest_good(run).id == "a01-e0002"  # type: ignore[union-attr]
    for checkpoint in list_checkpoints(run):
        checkpoint.file.write_bytes(b"")
    assert newest_good(run) is None


def test_a_vanished_file_is_named(run: RunPaths) -> None:
    saved = save(run, 1, 1)
    saved.file.unlink()
    assert "cannot be read" in (verify(saved) or "")


def test_choosing_by_word_epoch_and_id(run: RunPaths) -> None:
    for epoch, value in [(1, 0.2), (2, 0.6), (3, 0.6), (4, 0.5)]:
        save(run, 1, epoch, value)
    save(run, 1, 5, 0.9, step=45)
    assert choose(run, "best").id == "a01-e0002", "the first of equals, at an epoch's end"
    assert choose(run, "last").id == "a01-e0005-s000045"
    assert choose(run, "3").id == "a01-e0003"
    assert choose(run, "a01-e0005-s000045").mid_epoch
    files.write_json(run.spec, {"format": 1, "metric": "val/accuracy", "metric_mode": "min"})
    assert choose(run, "best").id == "a01-e0001"


@pytest.mark.parametrize("which", ["5", "0", "a01-e0009", "first", "", "-1", "\x1b[2J", "²", "9" * 5000])
def test_an_unknown_choice_names_what_there_is(run: RunPaths, which: str) -> None:
    for epoch in range(1, 5):
        save(run, 1, epoch)
    save(run, 1, 5, step=45)
    with pytest.raises(CheckpointError, match="a01-e0001, a01-e0002") as caught:
        choose(run, which)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_run_without_checkpoints_says_so(run: RunPaths) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        choose(run, "last")
    assert newest_good(run) is None


def test_no_value_no_best(run: RunPaths) -> None:
    save(run, 1, 1, float("nan"))
    save(run, 1, 2)
    with pytest.raises(CheckpointError, match="val/accuracy"):
        choose(run, "best")


def test_superseded_ones_are_listed_but_not_chosen_by_word(run: RunPaths) -> None:
    """Trained to 5, resumed at 2, now at 3: the curve does not go through the old 3, 4, 5."""
    for epoch in range(1, 6):
        save(run, 1, epoch, 0.1 * epoch)
    resume(run, 2, 2)
    assert choose(run, "last").id == "a01-e0002", "also before the second attempt has saved anything"
    save(run, 2, 3, 0.25)
    listed = list_checkpoints(run)
    assert [item.id for item in listed] == [
        "a01-e0001",
        "a01-e0002",
        "a01-e0003",
        "a02-e0003",
        "a01-e0004",
        "a01-e0005",
    ]
    assert [item.id for item in listed if item.superseded] == ["a01-e0003", "a01-e0004", "a01-e0005"]
    assert choose(run, "last").id == "a02-e0003"
    assert choose(run, "best").id == "a02-e0003"
    assert choose(run, "3").id == "a02-e0003"
    assert choose(run, "5").id == "a01-e0005", "by name it can still be had"
    choose(run, "last").file.write_bytes(b"damaged")
    assert newest_good(run).id == "a01-e0002"  # type: ignore[union-attr]


def test_a_forks_best_is_its_own(run: RunPaths) -> None:
    save(run, 0, 2, 0.9)
    resume(run, 1, 2)
    assert choose(run, "best").id == "a00-e0002", "as long as there is no other"
    save(run, 1, 3, 0.5)
    assert choose(run, "best").id == "a01-e0003"
    assert not any(item.superseded for item in list_checkpoints(run))


def test_pins_are_read(run: RunPaths) -> None:
    save(run, 1, 1)
    save(run, 1, 2)
    files.write_json(run.pins, {"pinned": ["a01-e0001", 7]})
    assert [item.pinned for item in list_checkpoints(run)] == [True, False]
    run.pins.write_text('{"pinned": "a01-e0001"}')
    assert not any(item.pinned for item in list_checkpoints(run))


def test_a_name_that_is_no_id_is_refused(run: RunPaths) -> None:
    for name in ("../x", "best", "a1-e1", ""):
        with pytest.raises(ValueError, match="checkpoint id"):
            save_files(run, name, b"", {})


def test_a_sidecar_may_bring_its_own_sum(run: RunPaths) -> None:
    plain = save(run, 1, 1)
    (run.checkpoints / "a01-e0001.json").unlink()
    again = save(run, 1, 1, sha256=plain.sha256)
    assert dataclasses.replace(again, time=0.0) == dataclasses.replace(plain, time=0.0)
