"""A data set's lists in a run's split.json: the same back, damage and changed files seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.datasets.dataset import (
    Dataset,
    FileList,
    from_stored,
    make_dataset,
    require_unchanged,
    stored_split,
)
from core.errors import DataError


def sample(root: Path) -> Dataset:
    splits = {
        "train": FileList(("a/0.png", "ü/1.png"), (0, 1), (3, 4)),
        "val": FileList(("a/2.png",), (0,), (5,)),
    }
    for files in splits.values():
        for path, size in zip(files.paths, files.sizes, strict=True):
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(b"x" * size)
    return make_dataset(root, ("a", "ü"), splits, ("a note",), ("g", "g"))


def test_stored_lists_come_back_the_same(tmp_path: Path) -> None:
    dataset = sample(tmp_path)
    assert from_stored(json.loads(json.dumps(stored_split(dataset)))) == dataset
    without = make_dataset(tmp_path, dataset.class_names, dataset.splits, ("x", "y"))
    assert from_stored(stored_split(without)) == without
    assert without.notes == ("x", "y")


def test_the_fingerprint_stands_for_names_paths_labels_and_sizes(tmp_path: Path) -> None:
    dataset = sample(tmp_path)
    files = dataset.splits["train"]
    others = [
        make_dataset(tmp_path, ("a", "b"), dataset.splits),
        make_dataset(tmp_path, dataset.class_names, {"train": files}),
        *(
            make_dataset(tmp_path, dataset.class_names, {**dataset.splits, "train": changed})
            for changed in (
                FileList(("a/0.png", "ü/9.png"), files.labels, files.sizes),
                FileList(files.paths, (1, 1), files.sizes),
                FileList(files.paths, files.labels, (3, 5)),
            )
        ),
    ]
    prints = [dataset.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == len(prints)
    moved = make_dataset(Path("/elsewhere"), dataset.class_names, dataset.splits)
    assert moved.fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    "damage",
    [
        {"class_names": ["a"]},
        {"splits": {}},
        {"splits": {"train": {"paths": ["a"]}}},
        {"splits": {"train": {"paths": ["a"], "labels": [0], "sizes": []}}},
        {"fingerprint": "0"},
        {"splits": None},
    ],
)
def test_damage_is_seen(tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"split\.json of this run is damaged"):
        from_stored(stored_split(sample(tmp_path)) | damage)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="written by a newer labtui"):
        from_stored(stored_split(sample(tmp_path)) | {"format": 2})


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    dataset = sample(tmp_path)
    require_unchanged(dataset)
    (tmp_path / "ü/1.png").write_bytes(b"other")
    with pytest.raises(DataError) as caught:
        require_unchanged(dataset)
    assert str(caught.value) == (
        f"The data set is not the one that this run started with: {tmp_path}/ü/1.png is gone or changed. "
        "Put it back, or start a new run."
    )
    (tmp_path / "a/0.png").unlink()
    with pytest.raises(DataError, match=r"a/0\.png and 1 more is gone or changed"):
        require_unchanged(dataset)
