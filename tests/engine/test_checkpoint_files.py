"""Checkpoints load anywhere without running code; damaged and foreign ones are refused with a way out."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine.checkpoint import read_checkpoint
from core.errors import CheckpointError
from core.store.checkpoints import choose, list_checkpoints
from core.store.files import read_json
from core.store.paths import RunPaths
from core.store.runs import add_request

LOAD = """
import sys, torch
for name in sys.argv[1:]:
    content = torch.load(name, weights_only=True)
    assert not any(key.startswith(("module.", "_orig_mod.")) for key in content["model"])
    print(content["step"], len(content["model"]))
assert not any(name == "core" or name.startswith("core.") for name in sys.modules)
"""


@pytest.fixture
def run(lab: Any, stop_after: Any) -> RunPaths:
    """A run with checkpoints of epoch 1, 2 and the middle of epoch 3."""
    made: RunPaths = lab.train("scheduler.name=plateau", stop=stop_after(16))
    return made


def test_every_kind_loads_without_labtui(run: RunPaths, tmp_path: Path) -> None:
    found = list_checkpoints(run)
    assert [item.id for item in found] == ["a01-e0001", "a01-e0002", "a01-e0003-s000016"]
    script = tmp_path / "load.py"
    script.write_text(LOAD)
    done = subprocess.run(
        [sys.executable, "-P", str(script), *(str(item.file) for item in found)],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        cwd=tmp_path,
    )
    assert done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["7", "14", "16"]


def test_sidecar_tells_what_the_file_is(run: RunPaths) -> None:
    checkpoint = choose(run, "2")
    side = read_json(run.checkpoints / "a01-e0002.json")
    assert side is not None
    assert side["sha256"] == hashlib.sha256(checkpoint.file.read_bytes()).hexdigest()
    assert side["bytes"] == checkpoint.file.stat().st_size
    assert set(side["metrics"]) == {
        "train/loss",
        "train/accuracy",
        "val/loss",
        "val/accuracy",
        "val/accuracy_macro",
        "val/f1_macro",
    }
    assert choose(run, "last").mid_epoch
    assert choose(run, "last").epoch == 3


def spoil_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [spoil_short, spoil_empty, spoil_byte])
def test_damaged_file_is_named_with_the_newest_good_one(
    lab: Any, run: RunPaths, spoil: Callable[[Path], None]
) -> None:
    last = choose(run, "last")
    spoil(last.file)
    with pytest.raises(CheckpointError) as caught:
        lab.resume(run)
    assert str(last.file) in str(caught.value)
    assert "newest usable checkpoint is a01-e0002" in str(caught.value)
    error = read_json(run.attempt(2).error)
    assert error is not None
    assert (error["type"], error["message"]) == ("CheckpointError", str(caught.value))
    rows = run.metrics.read_text()
    assert "resume" not in rows


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_foreign_file_is_refused_and_never_run(lab: Any, run: RunPaths, tmp_path: Path, writer: str) -> None:
    marker = tmp_path / "marker"
    last = choose(run, "last")
    if writer == "torch":
        torch.save({"model": Evil(marker)}, last.file)
    else:
        last.file.write_bytes(pickle.dumps(Evil(marker), protocol=2))
    resign(run, last.id)
    with pytest.raises(CheckpointError, match="could run code"):
        lab.resume(run)
    assert not marker.exists()


def resign(run: RunPaths, identifier: str) -> None:
    """Give a changed file a sidecar that fits it."""
    side = run.checkpoints / f"{identifier}.json"
    data = (run.checkpoints / f"{identifier}.pt").read_bytes()
    content = json.loads(side.read_text())
    content |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    side.write_text(json.dumps(content))


@pytest.mark.some(4)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["model"].popitem(), "does not fit this model"),
        (lambda content: content.pop("rng"), "is not a checkpoint of labtui"),
        (lambda content: content.update(format=2), "has format 2"),
        (lambda content: content.update(rng={}), "does not fit this run"),
        (lambda content: content["optimizer"].update(param_groups=[]), "does not fit this run"),
        (lambda content: content["data"].update(batch=99), "made with other data, batch or seed"),
        (lambda content: content.update(step_in_epoch=8), "beyond its epoch's last step"),
    ],
)
def test_content_that_does_not_fit(
    lab: Any, run: RunPaths, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    last = choose(run, "last")
    content = read_checkpoint(run, last)
    change(content)
    torch.save(content, last.file)
    resign(run, last.id)
    with pytest.raises(CheckpointError, match=words):
        lab.resume(run)


def test_unknown_start_checkpoint(lab: Any, run: RunPaths) -> None:
    add_request(run, "a09-e0009", 3)
    with pytest.raises(CheckpointError, match="has no checkpoint 'a09-e0009'"):
        lab.attempt(run)
