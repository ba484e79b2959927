"""Files of other tools, odd and wrong ones, as `predictions import` takes or refuses them."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.analysis.errors import Errors, open_errors
from core.analysis.import_predictions import ImportedPredictions, import_predictions
from core.analysis.prediction_files import prediction_sets
from core.config.workspace import Workspace
from core.errors import DataError

TRUTH: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "sub/0012.png", "width": 200, "height": 200},
        {"id": 2, "file_name": "b.png", "width": 200, "height": 200},
    ],
    "categories": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 40, 40]},
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [20, 20, 40, 40]},
    ],
}
BOX = {"image_id": 1, "category_id": 1, "bbox": [20, 20, 40, 40], "score": 0.9}
NAN, INFINITY = math.nan, math.inf


def box(**changed: Any) -> dict[str, Any]:
    return {**BOX, **changed}


def taken(tmp_path: Path, results: Any, truth: Any = TRUTH) -> tuple[ImportedPredictions, Errors]:
    """What comes of a document, or of the bytes of a file."""
    (tmp_path / "configs").mkdir(exist_ok=True)
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    data = results if isinstance(results, bytes) else json.dumps(results).encode()
    (tmp_path / "dt.json").write_bytes(data)
    made = import_predictions(Workspace(tmp_path), tmp_path / "gt.json", tmp_path / "dt.json", tmp_path)
    return made, open_errors(prediction_sets(made.run)[0].file)


@pytest.mark.parametrize(
    ("results", "kept", "note"),
    [
        (
            [BOX, box(score=NAN), box(bbox=[NAN, 1, 2, 3])],
            1,
            "predictions 2, 3 have no box or no score, dropped",
        ),
        ([BOX, box(score=INFINITY), box(bbox=[0, 1, INFINITY, 3])], 1, "predictions 2, 3 have no box"),
        ([BOX, box(bbox=[1e300, 0, 1e300, 9]), box(bbox=[1e308] * 4)], 1, "predictions 2, 3 have no box"),
        ([BOX, box(bbox=[10**400, 0, 1, 1])], 1, "prediction 2 has no box"),
        ([BOX, box(bbox="20,20,40,40"), box(bbox=None)], 1, "predictions 2, 3 have no box"),
        ([BOX, box(score=True), box(bbox=[True, 0, 1, 1])], 1, "predictions 2, 3 have no box"),
        ([BOX, *[box(score=None)] * 6], 1, "predictions 2, 3, 4 and 3 more have no box or no score, dropped"),
        ([BOX, box(bbox=[20, 20, -5, 40])], 1, "prediction 2 has a negative width or height, dropped"),
        ([BOX, box(bbox=[20, 20, 0, 40])], 2, ""),
        ([box(score=90), box(score=-0.5)], 2, "predictions 1, 2 have a score outside the range 0 to 1"),
        ([box(image_id="1", category_id="1", bbox=["20", "20.5", 40, 40], score="0.9")], 1, ""),
        ([], 0, ""),
        ({"annotations": [BOX], "images": [], "categories": []}, 1, ""),
        ({"predictions": [BOX]}, 1, ""),
        (b"\xef\xbb\xbf" + json.dumps([BOX]).encode(), 1, ""),
        (json.dumps([BOX]).encode("utf-16"), 1, ""),
        ([BOX, BOX], 2, ""),
    ],
)
def test_what_is_taken(tmp_path: Path, results: Any, kept: int, note: str) -> None:
    made, errors = taken(tmp_path, results)
    assert made.boxes == len(errors.scene.found.scores) == kept
    assert len(made.notes) == bool(note)
    assert note in "".join(made.notes)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (gzip.compress(b"[]", mtime=0), "is compressed: unpack it with gunzip"),
        (b"", "dt.json: it is empty"),
        (b'[{"image_id": 1,', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\x00\x01\xfe\xff", "not JSON"),
        (5, "expected a list"),
        (TRUTH, "is a file of annotations: give the file of predictions second"),
        ([BOX, None], "prediction 2 is not a mapping"),
        ([[BOX]], "prediction 1 is not a mapping"),
        ([box(category_id=0), box()], "classes seem to count from 0, those of the annotations count from 1"),
        ([box(category_id=7)], r"1 prediction of classes that are not in them \(id 7\): is it for the same"),
        (
            [box(image_id=n) for n in (1, 7, 8, 9, 10)],
            r"4 predictions of images .* \(id 7, 8, 9 and 1 more\)",
        ),
        ([{"bbox": [1, 2, 3, 4]}], r"images that are not in the annotations \(id none\)"),
        ([box(image_id=[1])], r"\(id \[1\]\)"),
        ([{**BOX, "bbox": None, "segmentation": [[0, 0, 9, 0, 9, 9]]}], "no prediction in it has a box"),
    ],
)
def test_what_is_refused(tmp_path: Path, results: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        taken(tmp_path, results)
    assert not list((tmp_path / "runs").glob("2*"))


@pytest.mark.parametrize("spelt", [str, lambda name: Path(name).name, lambda name: Path(name).stem])
def test_images_may_be_named_by_their_files(tmp_path: Path, spelt: Any) -> None:
    """As some detectors write them, by stems, of which those of digits become numbers."""
    ids = [int(word) if (word := spelt(name)).isdecimal() else word for name in ("sub/0012.png", "b.png")]
    made, errors = taken(tmp_path, [box(image_id=ids[1], category_id=2), box(image_id=ids[0])])
    assert errors.at(0.5).kinds["correct"] == 2
    assert made.notes == ("dt.json: names images by file, not by id: accepted",)


def test_a_file_name_of_two_images_names_none(tmp_path: Path) -> None:
    images = [{**item, "file_name": f"{n}/b.png"} for n, item in enumerate(TRUTH["images"])]
    with pytest.raises(DataError, match=r"id b\.png"):
        taken(tmp_path, [box(image_id="b.png")], {**TRUTH, "images": images})


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (
            [[150, 150, 190, 190], [100, 100, 160, 160], [20, 20, 60, 60], [90, 90, 180, 180]],
            "as x1, y1, x2, y2",
        ),
        ([[0.1, 0.1, 0.2, 0.2]] * 4, "look like fractions, not pixels"),
        # Some that reach out by a little, one that could be no corner, too few to say.
        ([[150, 150, 60, 190], [20, 20, 60, 60], [20, 20, 60, 60], [20, 20, 60, 60]], ""),
        ([[150, 150, 190, 190], [100, 100, 160, 160], [120, 120, 100, 100], [90, 90, 180, 180]], ""),
        ([[150, 150, 190, 190], [100, 100, 160, 160]], ""),
    ],
)
def test_boxes_of_another_kind_are_doubted(tmp_path: Path, boxes: list[list[float]], words: str) -> None:
    made, _ = taken(tmp_path, [box(bbox=values) for values in boxes])
    assert len(made.notes) == bool(words)
    assert words in "".join(made.notes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"annotations": TRUTH["annotations"] * 2}, "2 annotations are exact copies of another"),
        (
            {"categories": [{"id": 1, "name": "A"}, {"id": 2, "name": "A"}]},
            "1 class name given more than once: A",
        ),
        ({"images": [{**item, "file_name": "b.png"} for item in TRUTH["images"]]}, "1 image file given more"),
        (
            {"annotations": [{**TRUTH["annotations"][0], "image_id": n} for n in range(3, 9)]},
            "annotations 1, 2, 3 and 3 more are of an image or a class that is not in the file, dropped",
        ),
    ],
)
def test_annotations_are_doubted(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    made, _ = taken(tmp_path, [], {**TRUTH, **changed})
    assert [words in note for note in made.notes] == [True]


def test_images_that_lost_all_their_annotations_are_named(tmp_path: Path) -> None:
    annotations = [{**item, "bbox": []} if item["image_id"] == 1 else item for item in TRUTH["annotations"]]
    made, _ = taken(tmp_path, [], {**TRUTH, "annotations": annotations})
    name = next(item["file_name"] for item in TRUTH["images"] if item["id"] == 1)
    assert f"dropped; 1 image left without an object: {name}" in " ".join(made.notes)


def test_annotations_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images"):
        taken(tmp_path, [], {**TRUTH, "images": []})


def test_boxes_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    results = [
        box(image_id=int(image), score=place / 100, bbox=[place, 0, 5, 5])
        for place, image in enumerate(random.integers(1, 3, 60))
    ]
    _, errors = taken(tmp_path, results)
    found = errors.scene.found
    for image in range(2):
        rows = slice(found.offsets[image], found.offsets[image + 1])
        mine = [item for item in results if item["image_id"] == image + 1]
        assert found.scores[rows].tolist() == [item["score"] for item in mine]
        assert found.boxes[rows, 0].tolist() == [item["bbox"][0] for item in mine]
