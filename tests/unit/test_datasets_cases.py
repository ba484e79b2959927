"""Annotations as irregular as those that people report, against what a reader should make of each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli.main import main
from core.config.schema import DataConfig
from core.datasets.boxes.read_boxes import Boxed, read_boxed
from core.datasets.boxes.results import read_results
from core.datasets.check import check_dataset
from core.datasets.open import open_dataset
from core.datasets.pictures import open_picture
from core.errors import DataError
from tests.shared_folder import needs_shared, shared

CASES = shared("cases/annotations")
MANIFEST = CASES / "manifest.json"
pytestmark = needs_shared("cases/annotations/manifest.json")
ALL: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["cases"] if MANIFEST.exists() else []
COUNTS = (
    "images",
    "objects",
    "empty_images",
    "repaired",
    "dropped",
    "difficult",
    "crowd",
    "readable",
    "counts",
)


def read(case: Mapping[str, Any]) -> Boxed:
    return read_boxed(DataConfig(root=CASES / case["path"]), case["format"])


def kept(case: Mapping[str, Any]) -> dict[str, list[tuple[float, ...]]]:
    return {os.path.basename(s.raw.path): [item.corners for item in s.kept] for s in read(case).images}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case["id"])
def test_case(case: Mapping[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What `labtui data check --json` prints is what the manifest says."""
    expect = case["expect"]
    code = main(["--workspace", str(tmp_path), "data", "check", str(CASES / case["path"]), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == case["format"]
    assert document["outcome"] == expect["outcome"], document["errors"] or document["warnings"]
    assert code == (3 if expect["outcome"] == "error" else 0)
    wanted = {key: expect[key] for key in COUNTS if key in expect}
    assert {key: document[key] for key in wanted} == wanted
    if "classes" in expect:
        assert set(document["classes"]) == set(expect["classes"])
    for key in ("unreadable", "damaged"):
        assert sorted(map(os.path.basename, document[key])) == sorted(expect.get(key, []))
    told = json.dumps([*document["notes"], *document["warnings"], *document["errors"]])
    assert [word for word in expect.get("must_mention", ()) if word not in told] == []
    found = kept(case)
    for name, boxes in expect.get("boxes", {}).items():
        for box in boxes:
            assert any(np.allclose(box, other, atol=1e-6) for other in found[name]), (name, box, found[name])
    for name, number in expect.get("per_image", {}).items():
        assert len(found[name]) == number


def test_every_set_is_in_the_manifest() -> None:
    assert {case["path"].split("/")[0] for case in ALL} == {
        path.name for path in CASES.iterdir() if path.is_dir()
    }


@pytest.mark.parametrize("case", ALL, ids=lambda case: case["id"])
def test_a_check_counts_what_training_gets(case: Mapping[str, Any]) -> None:
    data = DataConfig(root=CASES / case["path"])
    check = check_dataset(data)
    if check.errors or "val" not in check.splits:
        with pytest.raises(DataError) as caught:
            open_dataset(data)
        told = [item.text for item in (*check.errors, *check.notes)]
        assert any(text.rstrip(".") in str(caught.value) for text in told)
        return
    dataset = open_dataset(data)
    assert {split: each.images for split, each in check.splits.items()} == {
        split: len(files) for split, files in dataset.splits.items()
    }
    assert {split: tuple(each.per_class.values()) for split, each in check.splits.items()} == {
        split: dataset.counts(split) for split in dataset.splits
    }


@pytest.mark.parametrize("case", ALL, ids=lambda case: case["id"])
def test_true_sizes(case: Mapping[str, Any]) -> None:
    sizes = {os.path.basename(seen.raw.path): list(seen.look.size) for seen in read(case).images}
    expected = case["expect"].get("true_size", {})
    if isinstance(expected, list):
        expected = dict.fromkeys(sizes, expected)
    assert {name: sizes[name] for name in expected} == expected


def test_pixels_of_odd_images() -> None:
    (case,) = [case for case in ALL if case["id"] == "p13_image_modes"]
    folder = CASES / case["path"] / "images"
    for file in sorted(folder.iterdir()):
        assert np.asarray(open_picture(folder, file.name)).shape[2] == case["expect"]["channels_after_load"]
    for name, check in case["expect"]["pixel_check"].items():
        pixels = np.asarray(open_picture(folder, name))
        low, high = check["column_32_between"]
        assert pixels[:, 0].max() <= check["column_0_max"]
        assert low <= pixels[:, 32].min() <= pixels[:, 32].max() <= high
        assert pixels[:, 63].min() >= check["column_63_min"]


def test_a_turned_photo_lies_under_its_box() -> None:
    (case,) = [case for case in ALL if case["id"] == "p14_image_damage_exif"]
    folder = CASES / case["path"] / "images"
    assert open_picture(folder, "turned.jpg").size == (48, 64)
    assert open_picture(folder, "cut.jpg").size == (200, 150)


@pytest.mark.parametrize(
    ("name", "rows"), [("p08_coco_ids_zero_and_gaps", [2, 1]), ("p11_coco_crowd_rle_empty", [3, 1])]
)
def test_predictions_of_the_cases(name: str, rows: list[int]) -> None:
    (case,) = [case for case in ALL if case["id"] == name]
    boxed = read(case)
    images = boxed.splits["train"]
    ids = boxed.raws["train"].ids
    results = read_results(
        CASES / name / "predictions.json", [seen.raw.id for seen in images], [ids[cls] for cls in boxed.names]
    )
    assert np.diff(results.offsets).tolist() == rows
    for index, seen in enumerate(images if name.startswith("p08") else ()):
        found = results.corners[results.offsets[index] : results.offsets[index + 1]]
        assert np.allclose(found, [item.corners for item in seen.kept])
