"""VOC and diatom files: what is read, what is mended, which image each is about."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.read_boxes import Boxed, read_boxed
from core.datasets.check import Check, check_dataset
from core.errors import DataError

A = ("alpha", 1, 2, 30, 40)
B = ("beta", 5, 5, 20, 20)


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def read(root: Path, **keys: Any) -> Boxed:
    return read_boxed(DataConfig(root=root, **keys), "voc")


def told(found: Check) -> list[str]:
    return [str(item) for item in (*found.errors, *found.warnings)]


def boxes(boxed: Boxed, split: str = "train") -> dict[str, list[Any]]:
    return {
        Path(seen.raw.path).name: [(item.box.name, *item.corners) for item in seen.kept]
        for seen in boxed.splits[split]
    }


# What is in a file


def test_a_plain_set(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A, B], "2": [B], "3": []})
    found = check(root)
    assert (found.format, found.outcome, found.images, found.objects) == ("voc", "ok", 3, 3)
    assert found.empty_images == 1
    assert boxes(read(root)) == {"1.png": [A, B], "2.png": [B], "3.png": []}
    assert found.summary() == "voc: 3 images, 3 objects, 2 classes; 0 repaired, 0 dropped, 0 warnings"


def test_the_lab_s_own_files(tmp_path: Path, box_files: ModuleType) -> None:
    """objects/object/{id, name, bbox}, a file name without ending, ids with gaps."""
    for name, inner in {"1": "142", "2": "7"}.items():
        box_files.picture(tmp_path / "images" / f"{name}.png")
        body = (
            f"<objects><object><id>{inner}</id><name>Navicula n{inner}</name><bbox><xmin>3</xmin>"
            "<xmax>30</xmax><ymin>4</ymin><ymax>40</ymax></bbox></object></objects>"
        )
        box_files.xml(tmp_path / "xmls" / f"{name}.xml", filename=name, body=body)
    for keys in ({}, {"format": "diatom"}, {"format": "voc"}):
        found = check(tmp_path, **keys)
        assert (found.outcome, found.objects) == ("ok", 2)
        assert dict(found.category_ids) == {"Navicula n142": 142, "Navicula n7": 7}
    assert boxes(read(tmp_path))["1.png"] == [("Navicula n142", 3, 4, 30, 40)]


def test_files_without_one_object_are_an_error(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [], "2": []})
    assert told(check(root)) == [
        "2 annotation files, 0 objects: no object was found in any; is the format really voc?"
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<object><name>a</name></object>", "box 2 has no corners, dropped"),
        ("<object><bndbox><xmin>1</xmin></bndbox></object>", "box 2 has no class name, dropped"),
        ("<object><name> </name><bndbox/></object>", "box 2 has no class name, dropped"),
        ("<object><name>a</name><bndbox><xmin>1</xmin></bndbox></object>", "box 2 has no ymin, dropped"),
        (
            "<object><name>a</name><bndbox><xmin>1</xmin><ymin>x</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>",
            "box 2 has 'x' instead of a number, dropped",
        ),
        (
            "<object><name>a</name><bndbox><xmin>1</xmin><ymin>nan</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"
            "</object>",
            "box 2 has a coordinate that is not a number, dropped",
        ),
    ],
)
def test_objects_that_are_not_whole(tmp_path: Path, box_files: ModuleType, body: str, said: str) -> None:
    box_files.picture(tmp_path / "JPEGImages/1.png")
    box_files.xml(tmp_path / "Annotations/1.xml", [A], body=body)
    found = check(tmp_path)
    assert (found.objects, found.dropped) == (1, 1)
    assert told(found)[0].endswith(said)
    assert told(found)[0].startswith("Annotations/1.xml:5: ")


def test_difficult_parts_and_missing_words(tmp_path: Path, box_files: ModuleType) -> None:
    part = f"<part><name>head</name>{box_files.xml_object(B)}</part>"
    objects = [
        box_files.xml_object(A, f"{part}<difficult>1</difficult>"),
        box_files.xml_object(B, "<difficult>0</difficult>"),
        box_files.xml_object(("beta", 1, 1, 9, 9)),
    ]
    box_files.picture(tmp_path / "JPEGImages/1.png")
    box_files.xml(tmp_path / "Annotations/1.xml", body="\n".join(objects))
    (seen,) = read(tmp_path).splits["train"]
    assert [item.box.difficult for item in seen.kept] == [True, False, False]
    assert [item.box.name for item in seen.kept] == ["alpha", "beta", "beta"]
    found = check(tmp_path)
    assert (found.objects, found.difficult, found.outcome) == (3, 1, "ok")


def test_names_keep_their_case_and_lose_odd_white_space(tmp_path: Path, box_files: ModuleType) -> None:
    names = [
        "Navicula alpha",
        " Navicula  alpha\u00a0",
        "navicula alpha",
        "Pinnula\u0301ria",
        "Pinnul\u00e1ria",
    ]
    root = box_files.voc(tmp_path, {str(i): [(name, 1, 2, 30, 40)] for i, name in enumerate(names)})
    found = check(root)
    assert dict(found.counts) == {"Navicula alpha": 2, "navicula alpha": 1, "Pinnulária": 2}
    assert told(found) == [
        "class names differ little: 'Navicula alpha' (2) and 'navicula alpha' (1); they are kept apart"
    ]
    assert [note.file for note in found.notes if "white space" in note.text] == [
        "Annotations/1.xml",
        "Annotations/3.xml",
    ]


# Files that cannot be used


def test_broken_empty_and_strange_files(tmp_path: Path, box_files: ModuleType) -> None:
    """Their images are not taken for images without objects."""
    root = box_files.voc(tmp_path, {name: [A] for name in ("ok", "broken", "empty", "html", "bomb")})
    folder = root / "Annotations"
    (folder / "broken.xml").write_text("<annotation>\n<object>\n</annotation>")
    (folder / "empty.xml").write_text("")
    (folder / "html.xml").write_text("<html/>")
    (folder / "bomb.xml").write_text("<!DOCTYPE a [<!ENTITY x 'y'>]><annotation>&x;</annotation>")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "._ok.xml").write_bytes(b"\0\5\26\7")
    (root / "JPEGImages/._ok.png").write_bytes(b"\0")
    (root / "JPEGImages/Thumbs.db").write_bytes(b"\0")
    found = check(root)
    assert (found.images, found.objects, found.empty_images) == (1, 1, 0)
    assert told(found) == [
        "Annotations/bomb.xml:1: cannot be read: it has a document type or entities: remove them; its "
        "image is left out",
        "Annotations/broken.xml:3: cannot be read: mismatched tag; its image is left out",
        "Annotations/empty.xml: cannot be read: it is empty; its image is left out",
        "Annotations/html.xml:1: is not an annotation: it begins with <html>; left out",
    ]


def test_images_and_files_without_each_other(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A]})
    box_files.xml(root / "Annotations/gone.xml", [B])
    box_files.picture(root / "JPEGImages/bare.png")
    found = check(root)
    assert (found.images, found.objects, found.empty_images) == (2, 1, 1)
    assert told(found) == [
        "Annotations/gone.xml: has no image gone.png: left out with its 1 object",
        "JPEGImages/bare.png: has no annotation file: kept as an image without objects",
    ]


# Which image a file is about


@pytest.mark.parametrize(
    ("xml", "filename", "images", "taken", "warned"),
    [
        ("a", "a.png", ["a.png"], "a.png", False),
        ("a", "", ["a.png"], "a.png", False),
        ("a", "a", ["a.png"], "a.png", False),
        ("a", "A.PNG", ["a.png"], "a.png", False),
        ("a", "a.jpg", ["a.png"], "a.png", False),
        ("a", "C:\\x\\a.png", ["a.png"], "a.png", False),
        ("img 01", "img 01.JPG", ["img 01.JPG"], "img 01.JPG", False),
        ("a", "other.png", ["a.png"], "a.png", True),
        ("a", "b.png", ["a.png", "b.png"], "b.png", True),
        ("a", "b.png", ["b.png"], "b.png", False),
        ("a", "b.jpg", ["b.png"], "b.png", False),
        ("é", "é.png", ["e\u0301.png"], "e\u0301.png", False),
        ("a", "../../secret.png", ["a.png"], "a.png", True),
    ],
)
def test_the_image_of_a_file(
    tmp_path: Path,
    box_files: ModuleType,
    xml: str,
    filename: str,
    images: list[str],
    taken: str,
    warned: bool,
) -> None:
    for name in images:
        box_files.picture(tmp_path / "JPEGImages" / name)
    box_files.xml(tmp_path / "Annotations" / f"{xml}.xml", [A], filename=filename)
    boxed = read(tmp_path)
    assert boxes(boxed)[taken] == [A]
    about = [item for item in boxed.found.of("warning") if item.file.endswith(".xml")]
    assert bool(about) is warned


def test_equal_names_in_folders_are_told_apart(tmp_path: Path, box_files: ModuleType) -> None:
    for folder, box in {"x": A, "y": B}.items():
        box_files.picture(tmp_path / "images" / folder / "1.png")
        box_files.xml(tmp_path / "annotations" / folder / "1.xml", [box])
    found = {seen.raw.path: [item.box.name for item in seen.kept] for seen in read(tmp_path).images}
    assert found == {"images/x/1.png": ["alpha"], "images/y/1.png": ["beta"]}


def test_several_images_that_it_could_be(tmp_path: Path, box_files: ModuleType) -> None:
    for name in ("1.png", "1.jpg"):
        box_files.picture(tmp_path / "images" / name)
    box_files.xml(tmp_path / "xmls/1.xml", [A], filename="1")
    (item,) = read(tmp_path).found.of("warning")[:1]
    assert str(item) == "xmls/1.xml: could be of 1.jpg, 1.png: left out with its 1 object"


def test_two_files_about_one_image(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A]})
    box_files.xml(root / "Annotations/2.xml", [B], filename="1.png")
    found = check(root)
    assert (found.images, found.objects, found.dropped) == (1, 1, 1)
    assert "Annotations/2.xml: describes 1.png, as 1.xml does: left out, its 1 object, dropped" in told(found)


# Corners


def test_one_based_corners(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [("a", 1, 1, 64, 48)], "2": [("a", 2, 3, 10, 10)]})
    assert boxes(read(root))["1.png"] == [("a", 1, 1, 64, 48)]
    assert boxes(read(root, one_based=True)) == {
        "1.png": [("a", 0, 0, 64, 48)],
        "2.png": [("a", 1, 2, 10, 10)],
    }
    notes = [note.text for note in check(root).notes if note.text.startswith("corners")]
    assert notes == [
        "corners are read as written, but may count from 1: the smallest is 1, 0 are 0, 2 are 1, 1 box "
        "reaches the full width or height; then set data.one_based to true"
    ]


def test_one_based_where_corners_are_0_is_warned(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [("a", 0, 1, 30, 40)], "2": [("a", 0, 3, 10, 10)]})
    assert check(root).outcome == "ok"
    (said,) = [text for text in told(check(root, one_based=True)) if text.startswith("corners")]
    assert said.endswith(
        "the smallest is 0, 2 are 0, 1 is 1, 0 boxes reach the full width or height; set "
        "data.one_based to false"
    )


def test_corners_that_hold_sizes_are_suspected(tmp_path: Path, box_files: ModuleType) -> None:
    sizes = {"1": [("a", 40, 30, 20, 10)], "2": [("a", 5, 30, 9, 10)], "3": [("a", 1, 1, 40, 30)]}
    found = check(box_files.voc(tmp_path, sizes))
    assert (
        "xmax and ymax may hold width and height: in 2 of 3 boxes they are less than xmin and ymin"
        in told(found)
    )


def test_one_swapped_box_is_no_pattern(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [("a", 40, 30, 20, 10)], "2": [A], "3": [A]})
    assert told(check(root)) == ["Annotations/1.xml:4: box 1: corners swapped"]


# Where the splits are


def lists(root: Path, **names: str) -> None:
    folder = root / "ImageSets/Main"
    folder.mkdir(parents=True)
    for split, text in names.items():
        (folder / f"{split}.txt").write_text(text, encoding="utf-8")


def test_lists_of_voc(tmp_path: Path, box_files: ModuleType) -> None:
    """Whole lines are names, blanks and all; lists of one class have a number behind."""
    root = box_files.voc(tmp_path / "VOC2007", {name: [A] for name in ("1", "a b", "3", "4")})
    lists(root, train="1  1\na b -1\n", val="3\n", test="4\n", trainval="1\na b\n3\n", person_train="1 -1\n")
    boxed = read(tmp_path)
    assert {split: list(boxes(boxed, split)) for split in boxed.splits} == {
        "train": ["1.png", "a b.png"],
        "val": ["3.png"],
        "test": ["4.png"],
    }
    assert boxed.images[0].raw.path == "VOC2007/JPEGImages/1.png"
    whole = read(tmp_path, val="test")
    assert {split: len(whole.splits[split]) for split in whole.splits} == {"train": 3, "val": 1}
    assert whole.places.val_is_test


def test_lists_named_by_the_config(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {name: [A] for name in ("1", "2", "3")})
    lists(root, first="1\n2\n", second="JPEGImages/3.png\n")
    data = DataConfig(
        root=root,
        train=SplitPaths(list=root / "ImageSets/Main/first.txt"),
        val=SplitPaths(list=root / "ImageSets/Main/second.txt"),
    )
    found = check_dataset(data)
    assert (found.format, found.outcome) == ("voc", "ok")
    assert {name: split.images for name, split in found.splits.items()} == {"train": 2, "val": 1}


def test_lines_that_name_nothing(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A], "2": [A]})
    box_files.picture(root / "JPEGImages/bare.png")
    lists(root, trainval="1\ngone\n\nbare\n2\n", test="2\n")
    found = check(root)
    assert told(found)[:2] == [
        "ImageSets/Main/trainval.txt:2: there is no image gone: left out",
        "ImageSets/Main/trainval.txt:4: bare.png has no annotation file: kept as an image without objects",
    ]
    (root / "ImageSets/Main/trainval.txt").write_text("x\ny\n")
    with pytest.raises(
        DataError, match=r"trainval\.txt names no image of .*JPEGImages: its first line is 'x'"
    ):
        read(root)


def test_folders_train_and_valid_with_files_beside_images(tmp_path: Path, box_files: ModuleType) -> None:
    for folder, name in {"train": "1", "valid": "2", "test": "3"}.items():
        box_files.picture(tmp_path / folder / f"{name}.png")
        box_files.xml(tmp_path / folder / f"{name}.xml", [A])
    boxed = read(tmp_path)
    assert {split: list(boxes(boxed, split)) for split in boxed.splits} == {
        "train": ["1.png"],
        "val": ["2.png"],
        "test": ["3.png"],
    }


def test_splits_inside_images_and_annotations(tmp_path: Path, box_files: ModuleType) -> None:
    for folder, name in {"train": "1", "val": "2"}.items():
        box_files.picture(tmp_path / "images" / folder / f"{name}.png")
        box_files.xml(tmp_path / "annotations" / folder / f"{name}.xml", [A])
    assert {split: len(images) for split, images in read(tmp_path).splits.items()} == {"train": 1, "val": 1}


def test_files_beside_images_in_one_folder(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.picture(tmp_path / "set/1.png")
    box_files.xml(tmp_path / "set/1.xml", [A])
    assert check(tmp_path).objects == 1
    assert check(tmp_path / "set").objects == 1


def test_two_years_are_a_question(tmp_path: Path, box_files: ModuleType) -> None:
    for year in ("VOC2007", "VOC2012"):
        box_files.voc(tmp_path / year, {"1": [A]})
    (said,) = told(check(tmp_path))
    assert said == f"{tmp_path} holds VOC2007, VOC2012: name one in data.root"


def test_places_named_in_part(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A], "2": [B]})
    for paths in (
        SplitPaths(images=root / "JPEGImages"),
        SplitPaths(annotations=root / "Annotations"),
        SplitPaths(images=root / "JPEGImages", annotations=root / "Annotations"),
    ):
        found = check_dataset(DataConfig(format="voc", train=paths))
        assert (found.images, found.objects, found.errors) == (2, 2, ())
    found = check_dataset(DataConfig(format="voc", train=SplitPaths(images=root / "gone")))
    assert told(found)[0].startswith(f"{root}/gone does not exist")


def test_a_format_that_is_not_there(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.picture(tmp_path / "a/1.png")
    (said,) = told(check(tmp_path, format="voc"))
    assert said == (
        f"{tmp_path} has no folder of XML files next to a folder of images: "
        "expected Annotations and JPEGImages, "
        "or xmls and images"
    )
