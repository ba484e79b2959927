"""Every box that is written is an object, or named and counted; numbers before names and behind boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from core.config.schema import DataConfig
from core.datasets.boxes.read_boxes import read_boxed
from core.datasets.boxes.results import read_results
from core.datasets.check import Check, check_dataset
from core.datasets.findings import Findings
from core.datasets.open import open_dataset
from core.errors import DataError

A = ("alpha", 1, 2, 30, 40)
B = ("beta", 5, 5, 20, 20)
LINE = "0 0.5 0.5 0.2 0.4\n"


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def corners(root: Path, name: str) -> list[list[float]]:
    """Corners of all objects of the first image."""
    kept = read_boxed(DataConfig(root=root), name).images[0].kept
    return [[round(float(value), 3) for value in item.corners] for item in kept]


# VOC

FOUR = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"


def box(*numbers: int, tag: str = "bndbox") -> str:
    return f"<{tag}>{FOUR.format(*numbers)}</{tag}>"


def one(body: str) -> str:
    return f"<object><name>alpha</name>{body}</object>"


@pytest.mark.parametrize(
    ("body", "objects", "dropped", "said"),
    [
        (one(box(1, 2, 9, 9) + box(20, 5, 30, 15) + box(3, 30, 9, 40)), 3, 0, "box 1, alpha, has 3 boxes"),
        (one(box(1, 2, 9, 9) + box(20, 5, 30, 15, tag="bbox")), 2, 0, "box 1, alpha, has 2 boxes"),
        (one(box(1, 2, 9, 9) + box(1, 2, 9, 9, tag="bbox")), 1, 0, ""),
        (one(box(1, 2, 9, 9) + box(4, 4, 4, 8)), 1, 1, "box 1, its corners 2 has zero width"),
        (one(f"<bndbox>{FOUR.format(1, 2, 9, 9)}{FOUR.format(5, 6, 19, 19)}</bndbox>"), 0, 2, "xmin 2 times"),
        (one("<name>beta</name>" + box(1, 2, 9, 9)), 0, 1, "box 1 has 2 class names, alpha, beta"),
        (one("<name> alpha </name>" + box(1, 2, 9, 9)), 1, 0, ""),
        (f"<regions><objects>{one(box(1, 2, 9, 9))}</objects></regions>", 1, 0, ""),
        (one(box(1, 2, 9, 9) + one(box(3, 3, 7, 7))), 2, 0, ""),
        (one(box(1, 2, 9, 9) + f"<more>{box(30, 3, 37, 7)}</more>"), 1, 1, "belongs to no object"),
        (one(box(1, 2, 9, 9) + f"<part><name>head</name>{box(3, 3, 7, 7)}</part>"), 1, 0, ""),
        (f"<thing><name>alpha</name>{box(1, 2, 9, 9)}</thing>", 0, 1, "belongs to no object"),
    ],
    ids=range(12),
)
def test_boxes_in_an_object(
    tmp_path: Path, box_files: ModuleType, body: str, objects: int, dropped: int, said: str
) -> None:
    root = box_files.voc(tmp_path, {"1": [], "2": [A]})
    box_files.xml(root / "Annotations/1.xml", body=body)
    found = check(root)
    assert (found.objects - 1, found.dropped) == (objects, dropped)
    texts = [item.text for item in found.warnings if item.file == "Annotations/1.xml"]
    assert any(said in text for text in texts) if said else not texts


def test_several_sizes_and_names_of_files(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [A], "2": [B], "3": [B]})
    box_files.xml(root / "Annotations/1.xml", [A], body="<size><width>6</width><height>4</height></size>")
    box_files.xml(root / "Annotations/2.xml", [B], body="<filename>3.png</filename>")
    found = check(root)
    assert [str(item) for item in found.warnings] == [
        "Annotations/1.xml: gives several sizes, 6 x 4, 64 x 48; the image's real size is used",
        "Annotations/2.xml: gives several filenames, 2.png, 3.png: the image with the file's name, 2.png, "
        "is used",
    ]
    assert (found.images, found.objects) == (3, 3)


def test_shares_where_pixels_are_meant(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(tmp_path, {"1": [("alpha", 0.1, 0.2, 0.5, 0.9)], "2": [("alpha", 0, 0, 1, 1)]})
    assert any("may be fractions of width and height" in item.text for item in check(root).warnings)


# COCO


def coco(root: Path, box_files: ModuleType, change: tuple[str, str]) -> Path:
    """A COCO set whose text is changed in one place."""
    box_files.coco(root, {"x.png": [A], "y.png": [B], "z.png": [B]}, ("alpha", "beta"))
    file = root / "annotations.json"
    text = json.dumps(json.loads(file.read_text()))
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    return root


@pytest.mark.parametrize(
    ("change", "objects", "dropped", "said"),
    [
        (
            ('"bbox": [1', '"bbox": [7, 7, 9, 9], "bbox": [1'),
            2,
            1,
            "annotation 1 (x.png) gives its bbox twice",
        ),
        (('"bbox": [1', '"bbox" : [7, 7, 9, 9], "bbox" : [1'), 2, 1, "gives its bbox twice"),
        (('"category_id": 10', '"category_id": 20, "category_id": 10'), 2, 1, "gives its category_id twice"),
        (('"category_id": 10', '"category_id": 10, "category_id": 10'), 3, 0, ""),
        (("[1, 2, 29, 38]", "[[1, 2, 9, 9], [20, 20, 9, 9]]"), 2, 2, "has 2 boxes in its bbox"),
        (("[1, 2, 29, 38]", "[1, 2, 9, 9, 20, 20, 9, 9, 5, 5, 4, 4]"), 2, 3, "has 3 boxes in its bbox"),
    ],
    ids=range(6),
)
def test_annotations_that_say_something_twice(
    tmp_path: Path,
    box_files: ModuleType,
    change: tuple[str, str],
    objects: int,
    dropped: int,
    said: str,
) -> None:
    found = check(coco(tmp_path, box_files, change))
    assert (found.objects, found.dropped, found.empty_images) == (objects, dropped, 0)
    assert any(said in item.text for item in found.warnings) is bool(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('{"images"', '{"annotations": [{"id": 9}], "images"'), "gives `annotations` more than once"),
        (('"id": 1, "file_name"', '"id": 1, "id": 7, "file_name"'), "image 1, x.png, gives its id twice"),
        (('"name": "alpha"', '"name": "x", "name": "alpha"'), "category 10 gives its name twice"),
    ],
    ids=range(3),
)
def test_files_that_say_something_twice(
    tmp_path: Path, box_files: ModuleType, change: tuple[str, str], said: str
) -> None:
    assert said in check(coco(tmp_path, box_files, change)).errors[0].text


def test_an_image_that_two_records_name(tmp_path: Path, box_files: ModuleType) -> None:
    change = ('"file_name": "y.png"', '"file_name": "x.png"')
    found = check(coco(tmp_path, box_files, change))
    assert (found.images, found.objects, found.dropped) == (2, 2, 1)


def test_predictions_with_a_key_twice(tmp_path: Path) -> None:
    row = '{"image_id": 1, "category_id": 10, "bbox": [1, 2, 3, 4], "score": 0.5%s}'
    twice = row % ', "bbox": [5, 5, 5, 5]'
    (tmp_path / "dt.json").write_text(f"[{row % ''}, {twice}]")
    found = Findings()
    assert len(read_results(tmp_path / "dt.json", ["1"], [10], found).scores) == 1
    assert [item.text for item in found.of("warning")] == [
        "prediction 2 has a key that is written twice, dropped"
    ]


# YOLO: keypoints, confidences


def pose(values: str, points: Sequence[tuple[float, ...]]) -> str:
    return " ".join([f"0 {values}", *(f"{value}" for point in points for value in point)]) + "\n"


FOUR_POINTS = [(0.61, 0.2), (0.65, 0.22), (0.69, 0.28), (0.62, 0.3)]
WANTED = [60, 7.5, 70, 17.5]  # of 0.65 0.25 0.1 0.2 in 100 x 50


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        ("[4, 2]", FOUR_POINTS),
        ("[2, 2]", FOUR_POINTS[:2]),
        ("[1, 2]", FOUR_POINTS[:1]),
        ("[4, 3]", [(*point, 2) for point in FOUR_POINTS]),
        ("[3, 3]", [(0, 0, 0), *((*point, 1) for point in FOUR_POINTS[:2])]),
        ("[17, 3]", [(*FOUR_POINTS[0], 2)] * 17),
    ],
    ids=["4x2", "2x2", "1x2", "4x3", "3x3", "17x3"],
)
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "found"])
def test_keypoints(
    tmp_path: Path,
    box_files: ModuleType,
    shape: str,
    points: list[tuple[float, ...]],
    stated: bool,
) -> None:
    lines = pose("0.65 0.25 0.1 0.2", points)
    root = box_files.yolo(tmp_path, dict.fromkeys("abc", lines) | {"d": ""})
    if stated:
        with open(root / "data.yaml", "a", encoding="utf-8") as file:
            file.write(f"kpt_shape: {shape}\n")
    found = check(root)
    assert corners(root, "yolo") == [WANTED]
    assert (found.objects, found.dropped) == (3, 0)
    told = [item.text for item in found.warnings]
    assert told == [] if stated else f"say so in data.yaml, as kpt_shape: {shape}" in told[0]


def test_lines_that_are_neither_box_nor_pose_are_named(tmp_path: Path, box_files: ModuleType) -> None:
    good = pose("0.65 0.25 0.1 0.2", FOUR_POINTS)
    short = pose("0.65 0.25 0.1 0.2", FOUR_POINTS[:3])
    root = box_files.yolo(tmp_path, {"a": good + short + LINE, "b": good, "c": short})
    with open(root / "data.yaml", "a", encoding="utf-8") as file:
        file.write("kpt_shape: [4, 2]\n")
    found = check(root)
    what = "has 11 columns, not 5, or 13 with 4 keypoints of 2 numbers, dropped"
    named = [str(item) for item in found.warnings if "columns" in item.text]
    assert named == [
        f"labels/train/a.txt:2: the box on line 2 {what}",
        f"labels/train/c.txt:1: the box on line 1 {what}",
    ]
    assert (found.objects, found.left_out) == (3, ("images/train/c.png",))


@pytest.mark.parametrize("shape", ["17", "[17]", "[17, 4]", "[0, 2]", "[a, 2]", "[true, 3]"])
def test_a_shape_that_is_none(tmp_path: Path, box_files: ModuleType, shape: str) -> None:
    root = box_files.yolo(tmp_path, {"a": LINE})
    with open(root / "data.yaml", "a", encoding="utf-8") as file:
        file.write(f"kpt_shape: {shape}\n")
    assert "`kpt_shape` must be [keypoints, 2] or [keypoints, 3]" in check(root).errors[0].text


def test_polygons_stay_polygons(tmp_path: Path, box_files: ModuleType) -> None:
    """Outlines of equal length all over the image, and turned boxes."""
    rng = np.random.default_rng(0)
    files, wanted = {}, {}
    for name in "abcdefgh":
        middle, angles = rng.uniform(0.15, 0.85, 2), np.sort(rng.uniform(0, 2 * np.pi, 6))
        points = middle + 0.1 * np.stack((np.cos(angles), np.sin(angles)), 1)
        files[name] = "0 " + " ".join(f"{value:.6f}" for value in points.ravel()) + "\n"
        wanted[name] = [*points.min(0), *points.max(0)]
    box_files.yolo(tmp_path, files)
    for seen in read_boxed(DataConfig(root=tmp_path), "yolo").images:
        got = np.array(seen.kept[0].corners) / (100, 50, 100, 50)
        assert np.allclose(got, wanted[Path(seen.raw.path).stem], atol=1e-4)


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ("0.875", "a confidence"),
        ("1", "a confidence"),
        ("12", "a track id"),
        ("0.5 33", "a confidence and a track id"),
    ],
)
def test_numbers_behind_the_box(tmp_path: Path, box_files: ModuleType, tail: str, said: str) -> None:
    line = f"{LINE.strip()} {tail}\n"
    root = box_files.yolo(tmp_path, {"a": line * 1, "b": LINE + line, "c": ""})
    found = check(root)
    assert (found.objects, found.empty_images, found.left_out) == (2, 1, ())  # equal boxes of b count once
    text = f"has {said} after its box, as predictions have, which is ignored; so has 1 more"
    assert f"labels/train/a.txt:1: {text}" in [str(item) for item in found.warnings]
    assert corners(root, "yolo") == [[40, 15, 60, 35]]


def test_class_numbers_from_1(tmp_path: Path, box_files: ModuleType) -> None:
    lines = "1 0.5 0.5 0.2 0.4\n2 0.2 0.2 0.1 0.1\n"
    root = box_files.yolo(tmp_path, {"a": lines, "b": lines})
    assert any("seem to count from 1" in item.text for item in check(root).warnings)


# Lists of classes


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["1 euro", "2 euro"], ("1 euro", "2 euro")),
        (["0 euro", "1 euro"], ("0 euro", "1 euro")),
        (["2 door", "4 door"], ("2 door", "4 door")),
        (["1 cent", "5 euro"], ("1 cent", "5 euro")),
        (["1 cat", "dog"], ("1 cat", "dog")),
        (["2 cat", "1 dog"], ("2 cat", "1 dog")),
        (["0 cat", "1 dog"], ("cat", "dog")),
        (["0: cat", "1: dog"], ("cat", "dog")),
        (["0. cat", "1. dog"], ("cat", "dog")),
        (["0) cat", "1) dog"], ("cat", "dog")),
        (["0 - cat", "1 - dog"], ("cat", "dog")),
        (["0.5 mm", "1.5 cm"], ("0.5 mm", "1.5 cm")),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("file", ["classes.txt", "obj.names"])
def test_numbers_before_names(
    tmp_path: Path, box_files: ModuleType, lines: list[str], names: tuple[str, ...], file: str
) -> None:
    root = box_files.yolo(tmp_path, {"a": LINE + LINE.replace("0", "1", 1), "b": LINE})
    (root / "data.yaml").unlink()
    (root / file).write_text("\n".join(lines))
    found = check(root, order="file")
    assert (found.classes, found.objects) == (names, 3)
    assert found.counts[names[0]] == 2
    told = any(f"{file} numbers its classes from 0 to 1" in item.text for item in found.notes)
    assert told is (names == ("cat", "dog"))


def test_labels_are_the_numbers_that_the_list_gives(tmp_path: Path, box_files: ModuleType) -> None:
    for name in "abcd":
        box_files.picture(tmp_path / f"{name}.png", 8, 8)
    (tmp_path / "labels.csv").write_text("file,label\na.png,1\nb.png,1\nc.png,2\nd.png,2\n")
    (tmp_path / "classes.txt").write_text("1 cat\n2 dog\n3 cow\n")
    assert set(open_dataset(DataConfig(root=tmp_path)).class_names) == {"cat", "dog"}
    (tmp_path / "classes.txt").write_text("1 euro\n2 euro\n3 euro\n")
    assert set(open_dataset(DataConfig(root=tmp_path)).class_names) == {"2 euro", "3 euro"}


def test_a_name_twice_is_refused(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.yolo(tmp_path, {"a": LINE, "b": LINE})
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("cat\ndog\n cat\n")
    assert "classes.txt has 'cat' twice: each class once" in check(root).errors[0].text


def test_folders_whose_names_begin_with_numbers(tmp_path: Path, box_files: ModuleType) -> None:
    for name in ("1 cent", "2 euro"):
        for number in range(2):
            box_files.picture(tmp_path / name / f"{number}.png", 8, 8)
    (tmp_path / "classes.txt").write_text("1 cent\n2 euro\n")
    assert open_dataset(DataConfig(root=tmp_path, order="file")).class_names == ("1 cent", "2 euro")
    (tmp_path / "classes.txt").write_text("1 1 cent\n2 2 cent\n")
    with pytest.raises(DataError, match="does not name each class folder once"):
        open_dataset(DataConfig(root=tmp_path, order="file"))
