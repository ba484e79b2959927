"""Boxes as arrays: chosen, renumbered, stored in a run's folder, told apart by the fingerprint."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from core.datasets.boxes.box_arrays import Boxes, pack, unpack
from core.datasets.dataset import Dataset, FileList, make_dataset, read_dataset, store_dataset
from core.errors import DataError
from core.store.paths import RunPaths


def sample(*, ids: tuple[str, ...] = ("7", "a b", "ü")) -> Boxes:
    """Three images with 2, 0 and 1 objects."""
    return Boxes(
        np.array([0, 2, 2, 3]),
        np.array([[0, 1, 2.5, 3], [4, 5, 6, 7], [1, 1, 9, 9]], np.float32),
        np.array([1, 0, 1]),
        np.array([False, True, False]),
        np.array([True, False, False]),
        np.array([5, 4, 64], np.float32),
        np.array([11, 0, 13]),
        np.array([[10, 20], [30, 40], [50, 60]], np.int32),
        ids,
    )


def same(one: Boxes, other: Boxes) -> bool:
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(Boxes))
    return all(np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype for a, b in pairs)


def detection(root: Path, boxes: Boxes) -> Dataset:
    files = FileList(("0.png", "1.png", "2.png"), (-1, -1, -1), (1, 2, 3))
    both = {"train": files, "val": files}
    return make_dataset(
        root,
        ("a", "b"),
        both,
        boxes={"train": boxes, "val": boxes.select([0, 1, 2])},
        category_ids=(90, 7),
        origin={"kaggle": "o/n", "version": "3"},
    )


def run_in(folder: Path) -> RunPaths:
    run = RunPaths(folder / "run")
    run.root.mkdir()
    return run


def test_chosen_images_in_their_order() -> None:
    boxes = sample()
    chosen = boxes.select([2, 0, 1, 2])
    assert chosen.offsets.tolist() == [0, 1, 3, 3, 4]
    assert chosen.source.tolist() == [13, 11, 0, 13]
    assert chosen.sizes.tolist() == [[50, 60], [10, 20], [30, 40], [50, 60]]
    assert chosen.image_ids == ("ü", "7", "a b", "ü")
    assert same(boxes.select([0, 1, 2]), boxes)
    assert len(boxes.select([])) == 0


def test_counts_leave_crowds_out() -> None:
    assert sample().counts(3) == (0, 2, 0)
    assert sample().relabelled([2, 0]).counts(3) == (2, 0, 0)


def test_a_run_s_data_set_comes_back(tmp_path: Path) -> None:
    run, dataset = run_in(tmp_path), detection(tmp_path, sample())
    assert read_dataset(run) is None
    store_dataset(run, dataset)
    again = read_dataset(run)
    assert again is not None
    assert again.boxes is not None
    assert dataset.boxes is not None
    assert all(same(again.boxes[split], dataset.boxes[split]) for split in ("train", "val"))
    assert replace(again, boxes=None) == replace(dataset, boxes=None)
    assert (again.kind, again.category_ids) == ("detection", (90, 7))
    assert again.origin == {"kaggle": "o/n", "version": "3"}
    assert again.counts("train") == (0, 2)


def test_the_fingerprint_covers_the_boxes(tmp_path: Path) -> None:
    boxes = sample()
    whole = detection(tmp_path, boxes).fingerprint
    moved = boxes.corners + np.float32(0.25)
    flags = ~boxes.crowd
    for other in (replace(boxes, corners=moved), replace(boxes, crowd=flags), boxes.relabelled([1, 0])):
        assert detection(tmp_path, other).fingerprint != whole
    assert detection(tmp_path, sample()).fingerprint == whole


@pytest.mark.parametrize("what", ["gone", "cut", "other", "no zip", "swapped"])
def test_damaged_objects_are_refused(tmp_path: Path, what: str) -> None:
    run = run_in(tmp_path)
    store_dataset(run, detection(tmp_path, sample()))
    data = run.objects.read_bytes()
    if what == "gone":
        run.objects.unlink()
    elif what == "cut":
        run.objects.write_bytes(data[: len(data) // 2])
    elif what == "no zip":
        run.objects.write_bytes(b"x" * 100)
    elif what == "swapped":
        boxes = sample().relabelled([1, 0])
        run.objects.write_bytes(pack({"train": boxes, "val": boxes}))
    else:
        run.objects.write_bytes(pack({"train": sample().select([0]), "val": sample()}))
    with pytest.raises(DataError, match="start a new run of the same config"):
        read_dataset(run)


def test_nothing_is_unpickled() -> None:
    import io

    buffer = io.BytesIO()
    np.savez(buffer, format=np.array([object()], dtype=object))
    with pytest.raises(DataError, match="damaged"):
        unpack(buffer.getvalue(), {"train": 1})


def test_an_empty_split(tmp_path: Path) -> None:
    boxes = sample().select([])
    (again,) = unpack(pack({"test": boxes}), {"test": 0}).values()
    assert same(again, boxes)
