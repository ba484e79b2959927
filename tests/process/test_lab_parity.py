"""The lab's way of working with a detector: further epochs by config, then measure.py, then its table."""

from __future__ import annotations

import csv
import importlib
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

import core.launch.dispatch as dispatch
from core.cli.main import main
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.paths import RunPaths
from tests.process.process_tools import Forker

NAME = "small-split-b1e-03-h1e-02"
# A config of the lab has these keys and no others; the data and the small images stand in defaults.yaml.
CONFIG = "model: fasterrcnn_small\nmode: split\nback_lr: 0.001\nhead_lr: 0.01\n"
DEFAULTS = """\
data:
  format: synthetic
  root: ../pictures
  synthetic: {boxes: true, classes: 2, groups: 1, images: 40, size: 64, most: 2}
image_size: {min: 64, max: 64}
device: cpu
threads: 1
"""


class Lab:
    """A workspace with one config of the lab's kind; trainers and jobs come from a fork server."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, words: str, code: int = 0) -> tuple[str, str]:
        """Run a command in this process: what it says on stdout and on stderr."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = main(words.split())
        assert ended == code, out.getvalue() + err.getvalue()
        return out.getvalue(), err.getvalue()

    def json(self, words: str) -> Any:
        return json.loads(self(f"{words} --json")[0])

    def train(self, words: str) -> tuple[RunPaths, str]:
        out, err = self(f"train --config small-split {words}")
        self(f"wait {out.strip()}")
        return RunPaths(self.root / "runs" / out.strip()), err


@pytest.fixture
def lab(tmp_path: Path, forker: Forker, monkeypatch: pytest.MonkeyPatch) -> Lab:
    root = tmp_path / "lab"
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "small-split.yaml").write_text(CONFIG)
    (root / "configs" / "defaults.yaml").write_text(DEFAULTS)
    monkeypatch.setenv("LABTUI_CPU_SLOTS", "4")
    monkeypatch.setenv("FORK_SERVER", str(forker.path))
    monkeypatch.chdir(root)
    monkeypatch.setattr(
        dispatch, "_spawn_supervisor", importlib.import_module("tests.process.forked_labtui").spawn
    )
    return Lab(root)


def test_train_further_measure_and_the_table(lab: Lab) -> None:
    run, _ = lab.train(f"--epoch 2 --batch 8 --worker 1 --prefetch 3 --checkpoint {NAME}")
    again, said = lab.train(
        "--epoch 1 --batch 8 --worker 2 --prefetch 4 --checkpoint small-split-b1e-03-h1e-02"
    )
    assert again.root == run.root
    assert f"continuing {run.id} at epoch 3 for 1 further epochs" in said
    shown = lab.json(f"show {run.id}")
    assert (shown["name"], shown["epochs"], shown["state"]) == (NAME, 3, "finished")
    ids = ["a01-e0001", "a01-e0002", "a02-e0003"]
    assert [point["id"] for point in shown["checkpoints"]] == ids

    # Other loading leaves all numbers as they are, and so does a pause.
    whole, _ = lab.train("--epochs 3 --batch 8 --new --checkpoint whole")
    curve, other = (read_history(one.metrics).epochs for one in (run, whole))
    for name in ("train/loss", "val/loss", "val/map", "val/mar_100", "lr/back", "lr/head"):
        assert [row[name] for row in curve] == [row[name] for row in other]
    assert (curve[0]["lr/back"], curve[0]["lr/head"]) == (0.001, 0.01)

    document = lab.json(f"measure --config small-split --checkpoint {NAME} --batch 2 --worker 1 --prefetch 2")
    assert document["id"] == run.id
    measured = {(row["checkpoint"], row["split"]): row for row in document["rows"]}
    assert list(measured) == [(point, split) for point in ids for split in ("val", "train")]
    assert [row["new"] for row in document["rows"]] == [False, True] * 3
    assert [len(row["per_class"]) for row in document["rows"]] == [2] * 6
    assert read_json(run.job("measure", 1).root / "job.json")["batch"] == 2  # type: ignore[index]
    for row, point in zip(curve, ids, strict=True):
        assert measured[point, "val"]["metrics"]["loss"] == row["val/loss"]

    table = list(csv.DictReader(io.StringIO(lab(f"metrics {run.id} --csv --format lab")[0])))
    assert [float(row["train/map_50"]) for row in table] == [
        measured[point, "train"]["metrics"]["map_50"] for point in ids
    ]
    assert [float(row["val/map"]) for row in table] == [row["val/map"] for row in curve]
    assert all(len(row) == 22 and "" not in row.values() for row in table)

    # Without a name the newest run of the config is meant, for measure as for train.
    assert lab.json("measure --config small-split --at last --splits val")["id"] == whole.id
    _, refused = lab("train --config small-split --epoch 1 --batch 4", code=2)
    assert "batch 8 -> 4" in refused
    _, refused = lab("measure --config small-split --checkpoint nobody", code=2)
    assert "no run with the name nobody" in refused
