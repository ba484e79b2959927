"""A run's data set that was moved is found or asked for; labels that changed on disk are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config.data_schema import DataConfig
from core.datasets.dataset import Dataset, FileList, make_dataset, read_dataset, store_dataset
from core.datasets.moved import label_note, located, move_root
from core.datasets.open import open_dataset
from core.errors import DataError
from core.store.image_roots import remembered_root
from core.store.paths import RunPaths
from tests.box_files import coco, picture, voc, yolo


def run_in(workspace: Path) -> RunPaths:
    run = RunPaths(workspace / "runs" / "r1")
    run.predictions.mkdir(parents=True)
    run.spec.write_text('{"format": 1}')
    return run


def files_in(root: Path, size: int = 4) -> Dataset:
    names = {"train": ("a/0.png", "b/1.png"), "val": ("a/2.png",)}
    for path in (path for paths in names.values() for path in paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x" * size)
    splits = {
        name: FileList(paths, tuple("ab".index(path[0]) for path in paths), (size,) * len(paths))
        for name, paths in names.items()
    }
    return make_dataset(root, ("a", "b"), splits)


@pytest.mark.parametrize("inside", ["pets", "data/own/pets"])
def test_a_workspace_that_moved_with_its_data(tmp_path: Path, inside: str) -> None:
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    dataset = files_in(old / inside)
    assert located(run_in(old), dataset) == (dataset, "")
    new.parent.mkdir()
    old.rename(new)
    found, note = located(RunPaths(new / "runs" / "r1"), dataset)
    assert found.root == new / inside
    assert (found.splits, found.fingerprint) == (dataset.splits, dataset.fingerprint)
    assert note.startswith(f"the data set was in {old / inside} and is now in {new / inside}")


def test_another_set_of_the_same_names_is_not_taken(tmp_path: Path) -> None:
    run = run_in(tmp_path / "lab")
    dataset = files_in(tmp_path / "far" / "pets")
    files_in(tmp_path / "lab" / "pets", size=5)
    shutil.rmtree(tmp_path / "far")
    with pytest.raises(
        DataError, match=r"and 2 more is gone or changed.*labtui resume r1 --root FOLDER\), or start"
    ):
        located(run, dataset)


def test_the_way_out_works(tmp_path: Path) -> None:
    run, dataset = run_in(tmp_path / "lab"), files_in(tmp_path / "far" / "pets")
    (tmp_path / "far").rename(tmp_path / "near")
    with pytest.raises(DataError, match="is gone or changed"):
        move_root(run, dataset, tmp_path / "near")
    assert remembered_root(run, dataset.root) is None
    move_root(run, dataset, tmp_path / "near" / "pets")
    assert located(run, dataset)[0].root == tmp_path / "near" / "pets"
    (tmp_path / "near" / "pets" / "a" / "0.png").write_bytes(b"longer")
    with pytest.raises(DataError, match=r"a/0\.png"):
        located(run, dataset)


IMAGES = {
    "0": [("a", 1, 1, 9, 9)],
    "1": [("b", 2, 2, 20, 20)],
    "2": [("a", 5, 5, 15, 15)],
    "3": [("b", 0, 0, 8, 8)],
}


def _voc(root: Path, images: dict[str, Any]) -> Path:
    return voc(root, images)


def _coco(root: Path, images: dict[str, Any]) -> Path:
    return coco(root, {f"{name}.png": boxes for name, boxes in images.items()})


def _line(label: str, x1: int, y1: int, x2: int, y2: int) -> str:
    """Of a picture of 100 x 50."""
    return f"{'ab'.index(label)} {(x1 + x2) / 200} {(y1 + y2) / 100} {(x2 - x1) / 100} {(y2 - y1) / 50}\n"


def _yolo(root: Path, images: dict[str, Any]) -> Path:
    return yolo(root, {name: "".join(_line(*box) for box in boxes) for name, boxes in images.items()})


@pytest.mark.parametrize("make", [_voc, _coco, _yolo])
def test_changed_boxes_are_told(tmp_path: Path, make: Callable[[Path, dict[str, Any]], Path]) -> None:
    run = run_in(tmp_path / "lab")
    data = DataConfig(root=make(tmp_path / "set", IMAGES))
    stored = open_dataset(data)
    store_dataset(run, stored)

    def note() -> str:
        dataset = read_dataset(run)
        assert dataset is not None
        # Written before this instant, whatever the clock's steps are.
        return label_note(run, dataset, dataset.root, data)

    assert note() == ""
    make(tmp_path / "set", IMAGES)
    os.utime(run.split, (1, 1))
    assert note() == "", "written anew, but the same"
    make(tmp_path / "set", {**IMAGES, "1": [("a", 2, 2, 20, 20)], "2": [("a", 5, 5, 16, 15)]})
    assert note().startswith("the labels of 2 images have changed on disk since this run began (")
    assert "1.png" in note()
    assert "2.png" in note()
    shutil.rmtree(tmp_path / "set")
    assert note() == ""


def test_a_table_of_labels_that_changed_is_told(tmp_path: Path) -> None:
    run, root = run_in(tmp_path / "lab"), tmp_path / "set"
    rows = [f"{number}.png,{'cat' if number % 2 else 'dog'}" for number in range(8)]
    for number in range(8):
        picture(root / f"{number}.png", 8, 8)
    table = root / "labels.csv"
    table.write_text("\n".join(["filename,label", *rows]) + "\n")
    data = DataConfig(root=root)
    stored = open_dataset(data)
    store_dataset(run, stored)
    os.utime(run.split, (1, 1))
    assert label_note(run, stored, stored.root, data) == ""
    table.write_text("\n".join(["filename,label", "0.png,cat", *rows[1:]]) + "\n")
    assert "the labels of 1 images have changed on disk since this run began (0.png)" in label_note(
        run, stored, stored.root, data
    )
