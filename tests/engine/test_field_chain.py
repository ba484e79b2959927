"""A data set as people have it: added, checked, trained on, measured, its errors opened."""

from __future__ import annotations

import os
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.analysis.errors import open_errors
from core.analysis.prediction_files import prediction_sets
from core.cli.adding import add_data_set
from core.datasets.check import check_dataset
from core.engine.stop import StopFlag
from core.evaluate.plan import plan_measure
from core.evaluate.worker import run_job
from core.store.checkpoints import choose
from core.store.files import read_json
from core.store.jobs import begin_job, create_job
from core.store.metrics import read_history
from core.store.state import derive_state
from tests.field_class_trees import CLASS_TREES
from tests.field_trees import BOX_TREES

SOAK = bool(os.environ.get("LABTUI_SOAK"))
TREES = {**BOX_TREES, **CLASS_TREES}
ALWAYS = ("raccoon", "cards")
# All of them in `make soak`.
NAMES = (
    *ALWAYS,
    "Roboflow YOLO",
    "Roboflow COCO without splits",
    "CVAT YOLO",
    "CVAT for images",
    "Label Studio",
    "Kaggle CIFAR-10",
    "one-hot",
    "LVIS",
    "CIFAR-10 binary",
)
SETTINGS = {
    "detection": "model: fasterrcnn_small\nimage_size: {min: 32, max: 48}\npredict: {score_floor: 0.001}\n",
    "classification": "model: tinyvgg_a\nlearning_rate: 0.01\n",
}


@pytest.mark.parametrize("name", NAMES if SOAK else ALWAYS, ids=lambda name: name.replace(" ", "-"))
def test_from_a_tree_to_its_errors(lab: Any, tmp_path: Path, name: str) -> None:
    tree, root = TREES[name], tmp_path / "set"
    tree.write(root)
    added = add_data_set(lab.workspace, str(root), name=None, root=None, progress=lambda *_: None)
    assert check_dataset(added.config).errors == ()
    settings = f"{SETTINGS[added.dataset.kind]}epochs: 1\nbatch: 4\ndevice: cpu\nthreads: 1\n"
    data = textwrap.indent(added.file.read_text(), "  ")
    run = replace(
        lab, pictures=root, config=f"data:\n{data}{settings}".replace("{", "{{").replace("}", "}}")
    ).train()
    assert derive_state(run).state == "finished"
    (row,) = read_history(run.metrics).epochs
    assert row["train/loss"] > 0
    # The held-out part of a set is measured as val; one more split where there is one.
    split = "test" if "test" in tree.images else "train"
    job = create_job(run, "measure", plan_measure(lab.workspace, run, at="last", splits=[split]).content)
    begin_job(job, slot="cpu0", threads=1)
    assert run_job(run, job, StopFlag(job.stop)) == 0, job.log
    measured = read_json(run.measures / f"{choose(run, 'last').id}-{split}.json")
    assert measured is not None
    assert measured["n"] == tree.images[split]
    opened = {each.split: open_errors(each.file) for each in prediction_sets(run)}
    assert set(opened) == {"val", split}
    for part, errors in opened.items():
        assert (errors.images, errors.kind) == (tree.images[part], added.dataset.kind)
        assert Path(errors.root, errors.paths[0]).exists() or "#" in errors.paths[0]
        truths = errors.at(0.0).matrix[:-1].sum(axis=1)
        assert truths.tolist() == list(added.dataset.counts(part))
        assert errors.at(0.0).image(0).objects is not None
