"""COCO files: ids, boxes and files as people write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.read_boxes import Boxed, read_boxed
from core.datasets.boxes.results import read_results
from core.datasets.check import Check, check_dataset
from core.datasets.findings import Findings
from core.errors import DataError

A = ("a", 1, 2, 30, 40)
B = ("b", 5, 5, 20, 20)
Document = dict[str, Any]
Write = Callable[[Document], Check]


def told(found: Check) -> list[str]:
    return [str(item) for item in (*found.errors, *found.warnings)]


def read(root: Path, **keys: Any) -> Boxed:
    return read_boxed(DataConfig(root=root, **keys), "coco")


def boxes(boxed: Boxed, split: str = "train") -> dict[str, list[Any]]:
    return {
        seen.raw.path: [(item.box.name, *item.corners) for item in seen.kept] for seen in boxed.splits[split]
    }


@pytest.fixture
def document(box_files: ModuleType) -> Document:
    """Two images, x.png with an object of either class and y.png with one."""
    found: Document = box_files.coco_document({"x.png": [A, B], "y.png": [B]}, ("a", "b"))
    return found


@pytest.fixture
def write(tmp_path: Path, box_files: ModuleType) -> Write:
    """Writes a document beside its two images, and checks it."""

    def written(document: Document) -> Check:
        for name in ("x.png", "y.png"):
            box_files.picture(tmp_path / "images" / name)
        (tmp_path / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
        return check_dataset(DataConfig(root=tmp_path))

    return written


def test_a_plain_file(tmp_path: Path, write: Write, document: Document) -> None:
    found = write(document)
    assert (found.format, found.outcome, found.images, found.objects) == ("coco", "ok", 2, 3)
    assert dict(found.category_ids) == {"a": 10, "b": 20}
    boxed = read(tmp_path)
    assert boxes(boxed) == {"images/x.png": [A, B], "images/y.png": [B]}
    assert [[item.box.source for item in seen.kept] for seen in boxed.images] == [[1, 2], [3]]
    assert [seen.raw.id for seen in boxed.images] == ["1", "2"]
    by_file = check_dataset(DataConfig(root=tmp_path / "annotations.json"))
    assert (by_file.format, by_file.objects, by_file.root) == ("coco", 3, tmp_path)


def test_ids_with_gaps_and_from_0_are_matched_by_value(
    tmp_path: Path, write: Write, document: Document
) -> None:
    document["categories"] = [{"id": 90, "name": "c"}, {"id": 20, "name": "b"}, {"id": 0, "name": "a"}]
    document["images"][0]["id"] = document["annotations"][0]["id"] = document["annotations"][0][
        "category_id"
    ] = 0
    for record in document["annotations"][:2]:
        record["image_id"] = 0
    found = write(document)
    assert found.outcome == "ok"
    assert boxes(read(tmp_path))["images/x.png"] == [A, B]
    assert dict(found.category_ids) == {"a": 0, "b": 20, "c": 90}
    assert dict(found.counts) == {"a": 1, "b": 2, "c": 0}


# Records that are wrong


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category_id": None}, "annotation 1 (x.png) has no class, dropped"),
        ({"category_id": 99}, "annotation 1 (x.png) has category 99, which is not in categories, dropped"),
        ({"category_id": "zz"}, "annotation 1 (x.png) has category zz, which is not in categories, dropped"),
        ({"image_id": 7}, "annotation 1 is of image 7, which is not in images, dropped"),
        ({"image_id": None}, "annotation 1 is of image None, which is not in images, dropped"),
        ({"bbox": None}, "annotation 1 (x.png) has no box, dropped"),
        ({"bbox": []}, "annotation 1 (x.png) has no box, dropped"),
        ({"bbox": [1, 2, 3]}, "annotation 1 (x.png) has no box, dropped"),
        ({"bbox": [1, 2, 3, None]}, "annotation 1 (x.png) has no box, dropped"),
        (
            {"bbox": [1, 2, float("nan"), 4]},
            "annotation 1 (x.png) has a coordinate that is not a number, dropped",
        ),
        ({"bbox": [1, 2, 0, 4]}, "annotation 1 (x.png) has zero width, dropped"),
        ({"bbox": [1, 2, 3, 0]}, "annotation 1 (x.png) has zero height, dropped"),
        (
            {"bbox": [70, 2, 3, 4]},
            "annotation 1 (x.png) lies outside the image of 64 x 48 (70, 2, 73, 6), dropped",
        ),
    ],
)
def test_objects_dropped(write: Write, document: Document, change: Document, said: str) -> None:
    document["annotations"][0].update(change)
    found = write(document)
    assert told(found) == [f"annotations.json: {said}"]
    assert (found.objects, found.dropped, found.repaired) == (2, 1, 0)


@pytest.mark.parametrize(
    ("change", "corners", "said"),
    [
        ({"bbox": [50, 2, 20, 10]}, (50, 2, 64, 12), "clipped to the image of 64 x 48"),
        ({"bbox": [30, 40, -29, -38]}, (1, 2, 30, 40), "corners swapped"),
        ({"bbox": ["1", "2", "29", "38"]}, (1, 2, 30, 40), "numbers written as strings"),
        ({"image_id": "1"}, (1, 2, 30, 40), "numbers written as strings"),
        ({"category_id": "10"}, (1, 2, 30, 40), "numbers written as strings"),
    ],
)
def test_objects_repaired(
    tmp_path: Path, write: Write, document: Document, change: Document, corners: Any, said: str
) -> None:
    document["annotations"][0].update(change)
    found = write(document)
    assert told(found) == [f"annotations.json: annotation 1 (x.png): {said}"]
    assert (found.objects, found.dropped, found.repaired) == (3, 0, 1)
    assert boxes(read(tmp_path))["images/x.png"][0] == ("a", *corners)


def test_ids_used_twice_are_renumbered(tmp_path: Path, write: Write, document: Document) -> None:
    document["annotations"][2]["id"] = 1
    found = write(document)
    assert told(found) == ["annotations.json: annotation 1 (number 3) (y.png): duplicate id, renumbered to 3"]
    assert [item.box.source for seen in read(tmp_path).images for item in seen.kept] == [1, 2, 3]


def test_image_ids_used_twice_are_an_error_that_names_both(write: Write, document: Document) -> None:
    document["images"][1]["id"] = 1
    found = write(document)
    assert found.outcome == "error"
    assert told(found)[0] == (
        "annotations.json: image id 1 is given to x.png and to y.png: their objects cannot be told apart"
    )


def test_categories_that_cannot_be(write: Write, document: Document) -> None:
    document["categories"].append({"id": 10, "name": "c"})
    document["categories"].append({"id": 30, "name": " b "})
    document["categories"].append({"id": None, "name": "d"})
    found = write(document)
    assert told(found)[:3] == [
        "annotations.json: category id 10 is given to a and c",
        "annotations.json: categories 20 and 30 are both called b: treated as one class",
        "annotations.json: a category has no id or no name: {'id': None, 'name': 'd'}",
    ]


def test_text_ids_that_are_no_numbers(tmp_path: Path, write: Write, document: Document) -> None:
    document["images"][0]["id"] = "img-a"
    for record in document["annotations"][:2]:
        record["image_id"] = "img-a"
    assert write(document).objects == 3
    assert [seen.raw.id for seen in read(tmp_path).images] == ["img-a", "2"]


def test_crowds_and_ignored_objects(tmp_path: Path, write: Write, document: Document) -> None:
    document["annotations"][0] |= {"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [48, 64]}}
    document["annotations"][1] |= {"ignore": 1, "segmentation": [[5, 5, 20, 5, 20, 20]], "area": 7}
    found = write(document)
    assert (found.outcome, found.objects, found.crowd, found.difficult) == ("ok", 2, 1, 1)
    crowd, ignored = read(tmp_path).images[0].kept
    assert (crowd.box.crowd, crowd.area) == (True, 29 * 38)
    assert (ignored.box.difficult, ignored.area) == (True, 7)


def test_boxes_from_polygons(tmp_path: Path, write: Write, document: Document) -> None:
    del document["annotations"][0]["bbox"]
    document["annotations"][0]["segmentation"] = [[1, 2, 30, 2, 30, 20], [10, 20, 11, 20, 11, 40]]
    assert write(document).outcome == "ok"
    assert boxes(read(tmp_path))["images/x.png"][0] == A


@pytest.mark.parametrize("kind", ["xyxy", "cxcywh"])
def test_boxes_that_are_not_xywh_are_warned_and_read_on_request(
    tmp_path: Path, write: Write, document: Document, kind: str
) -> None:
    given = {"xyxy": [[10, 10, 60, 40], [5, 5, 20, 20], [30, 20, 60, 44]]}
    given["cxcywh"] = [
        [x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1] for x1, y1, x2, y2 in given["xyxy"]
    ]
    for record, four in zip(document["annotations"], given[kind], strict=True):
        record["bbox"] = four
    found = write(document)
    (said,) = [text for text in told(found) if "may be" in text]
    assert said == (
        f"boxes may be {kind}, not xywh: 2 of 3 boxes would reach outside their images as xywh, "
        f"none as {kind}; set "
        f"data.boxes to {kind}"
    )
    asked = check_dataset(DataConfig(root=tmp_path, boxes=kind))  # type: ignore[arg-type]
    assert asked.outcome == "ok"
    corners = [box[1:] for image in boxes(read(tmp_path, boxes=kind)).values() for box in image]
    assert corners == [tuple(four) for four in given["xyxy"]]
    assert "may be" not in " ".join(told(check_dataset(DataConfig(root=tmp_path, boxes="xywh"))))


def test_boxes_in_shares_are_suspected(write: Write, document: Document) -> None:
    for record in document["annotations"]:
        record["bbox"] = [0.1, 0.2, 0.3, 0.4]
    assert "boxes may be fractions of width and height, not pixels: no number is above 1" in told(
        write(document)
    )


# Files and their names


def test_files_that_are_not_there(write: Write, document: Document) -> None:
    document["images"].append({"id": 3, "file_name": "gone.png"})
    document["images"].append({"id": 4})
    document["annotations"].append({"id": 9, "image_id": 3, "category_id": 10, "bbox": [1, 2, 3, 4]})
    found = write(document)
    assert told(found) == [
        "annotations.json: image 4 has no file_name: left out",
        "annotations.json: gone.png does not exist: left out with its 1 object",
    ]
    assert (found.images, found.objects, found.dropped) == (2, 3, 0)


def test_none_of_the_files_is_there(tmp_path: Path, box_files: ModuleType, document: Document) -> None:
    box_files.write_json(tmp_path / "annotations.json", document)
    box_files.picture(tmp_path / "images/other.png")
    (said,) = told(check_dataset(DataConfig(root=tmp_path)))
    assert said == (
        f"{tmp_path}/annotations.json: none of its 2 images, such as x.png, is in {tmp_path}/images: name "
        "their folder, as data.train: {annotations: FILE, images: FOLDER}"
    )


@pytest.mark.parametrize(
    ("name", "taken", "warned"),
    [
        ("X.PNG", "x.png", False),
        ("x.jpg", "x.png", False),
        ("./x.png", "x.png", False),
        ("train/x.png", "x.png", False),
        ("/home/ada/coco/x.png", "x.png", True),
        ("../x.png", "x.png", True),
        ("C:\\data\\x.png", "x.png", True),
    ],
)
def test_names_that_differ(
    tmp_path: Path, write: Write, document: Document, name: str, taken: str, warned: bool
) -> None:
    document["images"][0]["file_name"] = name
    found = write(document)
    assert bool(told(found)) is warned
    assert f"images/{taken}" in boxes(read(tmp_path))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/secret.png", "..\\secret.png"])
def test_names_never_lead_out_of_the_folder(
    tmp_path: Path, write: Write, document: Document, name: str
) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    document["images"][0]["file_name"] = name
    found = write(document)
    assert told(found) == [
        f"annotations.json: {name} points outside the folder of images: left out with its 2 objects"
    ]
    assert list(boxes(read(tmp_path))) == ["images/y.png"]


def test_unicode_names_back_slashes_and_equal_base_names(tmp_path: Path, box_files: ModuleType) -> None:
    names = ["site1\\규조 1.png", "site2/규조 1.png", "site1/e\u0301.png"]
    for seed, name in enumerate(("site1/규조 1.png", "site2/규조 1.png", "site1/\u00e9.png")):
        box_files.picture(tmp_path / "images" / name, seed=seed)
    document = box_files.coco_document(dict(zip(names, ([A], [B], [A]), strict=True)), ("a", "b"))
    (tmp_path / "ann.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8-sig")
    assert check_dataset(DataConfig(root=tmp_path)).outcome == "ok"
    assert boxes(read(tmp_path)) == {
        "images/site1/규조 1.png": [A],
        "images/site1/\u00e9.png": [A],
        "images/site2/규조 1.png": [B],
    }


def test_one_file_listed_twice(write: Write, document: Document) -> None:
    document["images"].append({"id": 3, "file_name": "x.png"})
    found = write(document)
    assert told(found) == [
        "annotations.json: images/x.png is listed twice, with different objects: the first counts"
    ]
    assert (found.images, found.objects) == (2, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "annotations.json:1: not JSON: Expecting property name enclosed in double quotes"),
        (
            b"[]",
            "annotations.json is not a COCO file of annotations: it holds a list, as files of results do",
        ),
        (b'{"images": []}', "annotations.json is not a COCO file: it has no list annotations, categories"),
        (b'{"a":' * 5000, "annotations.json is not JSON: "),
        (b'{"images": "\xff"}', "annotations.json is not JSON: "),
    ],
)
def test_files_that_are_no_coco(
    tmp_path: Path, write: Write, document: Document, data: bytes, said: str
) -> None:
    write(document)
    (tmp_path / "annotations.json").write_bytes(data)
    (text,) = told(
        check_dataset(DataConfig(root=tmp_path, train=SplitPaths(annotations=tmp_path / "annotations.json")))
    )
    assert said in text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings(tmp_path: Path, write: Write, document: Document, encoding: str) -> None:
    write(document)
    (tmp_path / "annotations.json").write_text(json.dumps(document), encoding=encoding)
    found = check_dataset(DataConfig(root=tmp_path))
    assert (found.format, found.objects, found.outcome) == ("coco", 3, "ok")


# Splits


@pytest.mark.parametrize(
    "layout",
    [
        (
            "annotations/instances_train2017.json",
            "train2017",
            "annotations/instances_val2017.json",
            "val2017",
        ),
        ("annotations/train.json", "images/train", "annotations/val.json", "images/val"),
        ("train/_annotations.coco.json", "train", "valid/_annotations.coco.json", "valid"),
        ("train.json", "images", "val.json", "images"),
    ],
)
def test_pairs_of_files(tmp_path: Path, box_files: ModuleType, layout: tuple[str, str, str, str]) -> None:
    train, train_images, val, val_images = layout
    for file, folder, names in ((train, train_images, ["1.png", "2.png"]), (val, val_images, ["3.png"])):
        for name in names:
            box_files.picture(tmp_path / folder / name)
        box_files.write_json(tmp_path / file, box_files.coco_document({key: [A] for key in names}, "ab"))
    if "instances" in train:
        for other in ("captions_train2017.json", "person_keypoints_train2017.json"):
            box_files.write_json(tmp_path / "annotations" / other, box_files.coco_document({}, ("a",)))
    found = check_dataset(DataConfig(root=tmp_path))
    assert (found.format, found.errors) == ("coco", ())
    assert {split: part.images for split, part in found.splits.items()} == {"train": 2, "val": 1}
    assert list(boxes(read(tmp_path), "val")) == [f"{val_images}/3.png"]
    by_file = check_dataset(DataConfig(root=tmp_path / train))
    assert by_file.splits["train"].images + by_file.splits["val"].images in (2, 3)


def test_pairs_named_by_the_config(tmp_path: Path, box_files: ModuleType) -> None:
    for name in ("1.png", "2.png"):
        box_files.picture(tmp_path / "pics" / name)
    for name, file in {"1.png": "first.json", "2.png": "second.json"}.items():
        box_files.write_json(tmp_path / file, box_files.coco_document({name: [A]}, ("a", "b")))
    data = DataConfig(
        train=SplitPaths(images=tmp_path / "pics", annotations=tmp_path / "first.json"),
        val=SplitPaths(annotations=tmp_path / "second.json"),
    )
    found = check_dataset(data)
    assert (found.format, found.errors) == ("coco", ())
    assert {split: part.images for split, part in found.splits.items()} == {"train": 1, "val": 1}


def test_several_files_are_a_question(tmp_path: Path, box_files: ModuleType, document: Document) -> None:
    for name in ("one.json", "two.json"):
        box_files.write_json(tmp_path / name, document)
    (said,) = told(check_dataset(DataConfig(root=tmp_path)))
    assert said == (
        f"{tmp_path} has several files of annotations, one.json, two.json: name one in data.train"
    )


def test_classes_match_by_name_over_the_splits(tmp_path: Path, box_files: ModuleType) -> None:
    def classes(train: list[str], val: list[str], used: str) -> Check:
        for split, names, box in (("train", train, A), ("val", val, (used, 1, 2, 30, 40))):
            box_files.picture(tmp_path / split / f"{split}.png")
            document = box_files.coco_document({f"{split}.png": [box]}, names)
            box_files.write_json(tmp_path / split / "ann.json", document)
        return check_dataset(DataConfig(root=tmp_path))

    same = classes(["a", "b"], ["b", "a"], "b")
    assert same.outcome == "ok"
    assert dict(same.splits["val"].per_class) == {"a": 0, "b": 1}
    assert "val has the classes in another order than train: matched by name" in [n.text for n in same.notes]
    assert told(classes(["a", "b"], ["a", "c"], "c")) == [
        "the val images have the class c, which the training images do not have: classes are matched by name",
        "val does not declare the class b, which train does",
    ]
    assert told(classes(["a", "b"], ["a", "b", "c"], "a")) == [
        "val declares the class c, which train does not; no object has it"
    ]


# Results


def test_results(tmp_path: Path, box_files: ModuleType) -> None:
    rows = [
        {"image_id": 2, "category_id": 20, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": "1", "category_id": 10, "bbox": ["1", 2, 3, 4], "score": "0.25"},
        {"image_id": 2, "category_id": 10, "bbox": [1, 2, 3], "score": 0.5},
        {"image_id": 2, "category_id": 10, "bbox": [0, 0, 3, 4], "score": 0.75},
    ]
    found = Findings()
    results = read_results(box_files.write_json(tmp_path / "dt.json", rows), ["1", "2"], [10, 20], found)
    assert results.offsets.tolist() == [0, 1, 3]
    assert results.corners.tolist() == [[1, 2, 4, 6], [1, 2, 4, 6], [0, 0, 3, 4]]
    assert results.labels.tolist() == [0, 1, 0]
    assert np.allclose(results.scores, [0.25, 0.5, 0.75])
    assert [str(item) for item in found.of("warning")] == [
        "dt.json: prediction 3 has no box or no score, dropped"
    ]
    empty = read_results(box_files.write_json(tmp_path / "none.json", []), ["1", "2"], [10])
    assert (empty.offsets.tolist(), empty.corners.shape) == ([0, 0, 0], (0, 4))


def test_results_of_other_data_are_refused_with_examples(tmp_path: Path, box_files: ModuleType) -> None:
    rows = [
        {"image_id": number, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 1} for number in (1, 8, 9, 9)
    ]
    file = box_files.write_json(tmp_path / "dt.json", rows)
    with pytest.raises(DataError) as caught:
        read_results(file, ["1"], [10])
    assert str(caught.value) == (
        f"{file} has 3 predictions of images that are not in the annotations (id 8, 9) and 4 predictions of "
        "classes that are not in them (id 7): is it for the same data set?"
    )
    with pytest.raises(DataError, match="is not a file of results: expected a list"):
        read_results(box_files.write_json(tmp_path / "x.json", {}), ["1"], [10])
