"""Data sets as people have them after unpacking or exporting: added, checked and counted as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cli.adding import add_data_set
from core.config.load import named_data
from core.config.schema import DataConfig
from core.config.workspace import Workspace
from core.datasets.check import check_dataset
from core.datasets.dataset import Dataset
from core.datasets.outline import outline
from core.datasets.pictures import open_picture
from tests.field_class_trees import CLASS_TREES
from tests.field_trees import BOX_TREES

TREES = {**BOX_TREES, **CLASS_TREES}


@pytest.mark.parametrize("name", TREES, ids=lambda name: name.replace(" ", "-"))
def test_a_tree_is_read_as_it_is(tmp_path: Path, name: str) -> None:
    tree = TREES[name]
    tree.write(tmp_path / "set")
    workspace = Workspace(tmp_path)
    added = add_data_set(workspace, str(tmp_path / "set"), name="field", root=None, progress=lambda *_: None)
    dataset: Dataset = added.dataset
    assert (added.format, added.written) == (tree.format, True)
    assert set(dataset.class_names) == set(tree.classes)
    assert {split: len(files) for split, files in dataset.splits.items()} == dict(tree.images)
    data = named_data("field", (), workspace=workspace)
    check = check_dataset(data)
    assert (check.errors, check.format) == ((), tree.format)
    assert {split: each.images for split, each in check.splits.items()} == dict(tree.images)
    if tree.objects is not None:
        assert (check.objects, check.dropped) == (tree.objects, 0)
    notes = [str(item) for item in (*check.notes, *check.warnings)]
    assert any(tree.told in note for note in notes) or not tree.told
    told = outline(data)
    assert (told.train, told.val, told.test) == tuple(
        tree.images.get(split, 0) for split in ("train", "val", "test")
    )
    for files in dataset.splits.values():
        assert open_picture(dataset.root, files.paths[-1]).mode == "RGB"


@pytest.mark.parametrize(
    ("name", "file", "train"),
    [
        ("raccoon", "data/raccoon_labels.csv", 7),
        ("tables by split", "images/train_labels.csv", 4),
        ("CVAT YOLO", "obj.data", 6),
        ("CVAT for images", "annotations.xml", 6),
        ("LVIS", "lvis_v1_train.json", 6),
        ("Roboflow YOLO", "data.yaml", 5),
    ],
    ids=["csv", "csv-of-a-split", "obj.data", "cvat", "lvis", "data.yaml"],
)
def test_a_tree_by_its_file(tmp_path: Path, name: str, file: str, train: int) -> None:
    TREES[name].write(tmp_path)
    found = check_dataset(DataConfig(root=tmp_path / file))
    assert (found.errors, found.splits["train"].images) == ((), train)
