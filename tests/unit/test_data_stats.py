"""Figures of data sets of every format, against counts made another way."""

from __future__ import annotations

import statistics as plain
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from core.analysis.data_reading import read_table
from core.analysis.data_table import DataTable
from core.analysis.dataset_stats import GRID
from core.analysis.figures import Figure
from core.analysis.statistics import Statistics, headline, statistics
from core.config.data_schema import DataConfig
from core.config.schema import Split
from core.errors import DataError
from tests.shared_folder import BCCD, needs_bccd

pytestmark = pytest.mark.slow

Box = tuple[str, float, float, float, float]


def count(root: Path, **settings: object) -> Statistics:
    return statistics(read_table(DataConfig.model_validate({"root": root, **settings})))


def figure(found: Statistics, key: str) -> Figure:
    item = found.find(key)
    assert item is not None, key
    return item


def paths(found: Statistics, key: str) -> list[str]:
    return [found.table.paths[row] for row in figure(found, key).rows.tolist()]


def folders(root: Path, **classes: int) -> Path:
    """Class folders with so many pictures, no two alike."""
    rng = np.random.default_rng(0)
    for name, number in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(number):
            pixels = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


# -- the lab's two sets


def _objects_of(file: Path) -> Iterator[tuple[str, list[int]]]:
    for item in ElementTree.parse(file).iter("object"):
        corners = [int(item.findtext(f"bndbox/{tag}", "")) for tag in ("xmin", "ymin", "xmax", "ymax")]
        yield item.findtext("name", ""), corners


@needs_bccd
def test_bccd_is_counted_as_its_xml_files_have_it() -> None:
    found = count(BCCD)
    files = sorted((BCCD / "Annotations").glob("*.xml"))
    # Copies and boxes without area are left out when training, and so here.
    kept = {
        file.stem: [o for o in dict.fromkeys(map(_frozen, _objects_of(file))) if _area(o)] for file in files
    }
    every = [item for items in kept.values() for item in items]

    assert len(found.table) == len(files) == 364
    counts = Counter(name for name, *_ in every)
    assert {name: figure(found, f"class:{name}").total for name in counts} == counts
    assert counts == {"RBC": 4153, "WBC": 372, "Platelets": 361}
    assert figure(found, "classes:imbalance").value == pytest.approx(4153 / 361)

    numbers = [len(items) for items in kept.values()]
    assert figure(found, "objects:mean").value == pytest.approx(plain.mean(numbers))
    assert figure(found, "objects:median").value == plain.median(numbers)
    assert figure(found, "objects:12").total == numbers.count(12)
    areas = [_area(item) for item in every]
    assert figure(found, "area:median").value == plain.median(areas)
    assert figure(found, "area:mean").value == pytest.approx(plain.mean(areas))
    assert figure(found, "area:small").total == sum(area < 32**2 for area in areas)
    assert figure(found, "area:large").total == sum(area >= 96**2 for area in areas)
    assert figure(found, "area:1000..5000").total == sum(1000 <= area < 5000 for area in areas)
    ratios = [(x2 - x1) / (y2 - y1) for _, x1, y1, x2, y2 in every]
    assert figure(found, "ratio:median").value == pytest.approx(plain.median(ratios))
    assert figure(found, "ratio:mean").value == pytest.approx(plain.mean(ratios))
    assert figure(found, "size:640x480").total == 364

    lists = {
        split: (BCCD / f"ImageSets/Main/{split}.txt").read_text().split() for split in found.table.splits
    }
    by_split = tuple(
        sum(name == "WBC" for stem in stems for name, *_ in kept[stem]) for stems in lists.values()
    )
    assert figure(found, "class:WBC").counts == by_split
    assert {Path(path).stem for path in paths(found, "class:Platelets")} == {
        stem for stem, items in kept.items() if any(name == "Platelets" for name, *_ in items)
    }


def _frozen(item: tuple[str, list[int]]) -> tuple[str, int, int, int, int]:
    name, (x1, y1, x2, y2) = item
    return name, max(0, x1), max(0, y1), min(640, x2), min(480, y2)


def _area(item: tuple[str, int, int, int, int]) -> int:
    _, x1, y1, x2, y2 = item
    return (x2 - x1) * (y2 - y1)


@pytest.fixture(scope="module")
def diatoms(tmp_path_factory: pytest.TempPathFactory, diatom_files: ModuleType) -> Statistics:
    """A set of the published size in the Diatom layout, counted."""
    root = tmp_path_factory.mktemp("diatoms") / "set"
    diatom_files.write(root)
    return count(root)


def test_the_published_figures_of_the_diatoms_come_out(diatoms: Statistics, diatom_files: ModuleType) -> None:
    found = diatoms
    assert headline(found) == "2\u2009197 images  3\u2009027 objects  68 classes  13 without objects"
    assert figure(found, "objects:mean").shown == "1.38"
    for number, images in diatom_files.PER_IMAGE.items():
        assert figure(found, f"objects:{number}").total == images
    assert figure(found, "objects:max").shown == "7"
    page = found.page("classes")
    assert page is not None
    assert tuple(bar.total for bar in page.bars[:10]) == diatom_files.TOP_TEN
    assert figure(found, "classes:imbalance").value == pytest.approx(386 / 6)
    assert figure(found, "area:median").value == pytest.approx(diatom_files.MEDIAN_AREA, rel=0.002)
    assert figure(found, "area:mean").value == pytest.approx(diatom_files.MEAN_AREA, rel=0.002)
    assert figure(found, "ratio:median").value == pytest.approx(diatom_files.MEDIAN_RATIO, abs=0.005)
    assert figure(found, "ratio:mean").value == pytest.approx(diatom_files.MEAN_RATIO, abs=0.005)
    assert figure(found, "size:2112x1584").total == 2197
    assert len(paths(found, "objects:none")) == 13


def test_every_number_of_a_page_adds_up_and_has_its_images(diatoms: Statistics) -> None:
    objects = diatoms.table.objects
    assert objects is not None
    for key, whole in (
        ("classes", 3027),
        ("objects", 2197),
        ("area", 3027),
        ("places", 3027),
        ("sizes", 2197),
    ):
        page = diatoms.page(key)
        assert page is not None
        for bars in (page.bars, page.log_bars):
            assert sum(bar.total for bar in bars) == (whole if bars else 0), key
    for item in diatoms.figures():
        assert not item.counts or (item.total > 0) == (len(item.rows) > 0), item.key
        assert diatoms.find(item.key) is not None
        if len(item.objects):
            assert set(objects.image[item.objects].tolist()) == set(item.rows.tolist()), item.key


# -- formats


BOXES: dict[str, Sequence[Box]] = {
    "one": [("a", 0, 0, 10, 10), ("a", 20, 20, 60, 40)],
    "two": [("b", 5, 5, 25, 45), ("a", 6, 6, 20, 30)],
    "three": [],
}


@pytest.mark.parametrize("kind", ["voc", "coco", "yolo"])
def test_every_format_of_boxes_gives_the_same_figures(
    tmp_path: Path, box_files: ModuleType, kind: str
) -> None:
    root = tmp_path / "set"
    if kind == "voc":
        box_files.voc(root, BOXES)
    elif kind == "coco":
        box_files.coco(root, {f"{name}.png": boxes for name, boxes in BOXES.items()})
    else:
        (root / "images").mkdir(parents=True)
        (root / "labels").mkdir()
        for name, boxes in BOXES.items():
            box_files.picture(root / "images" / f"{name}.png")
            lines = [
                f"{'ab'.index(c)} {(x1 + x2) / 128} {(y1 + y2) / 96} {(x2 - x1) / 64} {(y2 - y1) / 48}"
                for c, x1, y1, x2, y2 in boxes
            ]
            (root / "labels" / f"{name}.txt").write_text("\n".join(lines))
        (root / "data.yaml").write_text("train: images\nnames: [a, b]\n")
    found = count(root)
    assert found.table.format == kind
    assert figure(found, "class:a").total == 3
    assert figure(found, "class:b").total == 1
    assert figure(found, "area:max").shown == "800"
    assert figure(found, "area:min").shown == "100"
    assert [Path(path).stem for path in paths(found, "objects:none")] == ["three"]
    nested = figure(found, "boxes:nested")
    assert nested.total == 2
    assert [Path(path).stem for path in paths(found, "boxes:nested")] == ["two"]
    assert figure(found, "place:1,1").total == 1  # (5, 5) of 64 x 48, on 12 x 8
    assert (
        sum(figure(found, f"place:{x + 1},{y + 1}").total for x in range(GRID[1]) for y in range(GRID[0]))
        == 4
    )


def test_boxes_that_repeat_are_told_apart(tmp_path: Path, box_files: ModuleType) -> None:
    box_files.voc(
        tmp_path / "set",
        {
            "copy": [("a", 1, 1, 30, 30)] * 3,
            "near": [("a", 1, 1, 30, 30), ("a", 1, 1, 30, 31)],
            "both": [("a", 1, 1, 30, 30), ("b", 1, 1, 30, 30)],
            "apart": [("a", 1, 1, 10, 10), ("a", 40, 30, 60, 40)],
        },
    )
    found = count(tmp_path / "set")
    assert figure(found, "boxes:repeated").total == 2
    assert [Path(path).stem for path in paths(found, "boxes:repeated")] == ["copy"]
    assert [Path(path).stem for path in paths(found, "boxes:same-place")] == ["near"]
    assert [Path(path).stem for path in paths(found, "boxes:two-classes")] == ["both"]
    assert figure(found, "boxes:nested").total == 0
    problems = found.page("problems")
    assert problems is not None
    assert {"boxes:repeated", "boxes:same-place", "boxes:two-classes"} <= {bar.key for bar in problems.bars}


def test_class_folders_are_counted_by_split_as_training_takes_them(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", cat=20, dog=10)
    found = count(root, split={"ratio": 0.2, "seed": 3})
    from core.datasets.open import open_dataset

    opened = open_dataset(DataConfig(root=root, split=Split(ratio=0.2, seed=3)))
    for number, split in enumerate(found.table.splits):
        rows = np.flatnonzero(found.table.split == number)
        assert {found.table.paths[row] for row in rows} == set(opened.splits[split].paths)
    assert figure(found, "class:cat").counts == (16, 4)
    assert figure(found, "classes:imbalance").shown == "2.0"
    assert found.page("area") is None
    assert figure(found, "size:16x12").total == 30
    assert figure(found, "format:PNG").total == 30


def test_a_list_with_labels_is_counted(tmp_path: Path) -> None:
    folders(tmp_path / "set", images=6)
    rows = "".join(f"images/{index}.png,{'xy'[index % 2]}\n" for index in range(6))
    (tmp_path / "set" / "labels.csv").write_text(f"file,label\n{rows}")
    found = count(tmp_path / "set")
    assert figure(found, "class:x").total == 3
    assert sorted(paths(found, "class:y")) == ["images/1.png", "images/3.png", "images/5.png"]


def test_pictures_in_files_of_many_are_counted(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path / "set")
    found = count(tmp_path / "set")
    assert found.table.format == "cifar10"
    assert figure(found, "size:32x32").total == len(found.table)
    assert figure(found, "mode:RGB").total == len(found.table)
    assert sum(figure(found, f"class:{name}").total for name in found.table.classes) == len(found.table)


# -- what is odd


def test_a_class_that_a_split_lacks_is_told_with_its_images(tmp_path: Path) -> None:
    folders(tmp_path / "set" / "train", cat=4, dog=4, eel=2)
    folders(tmp_path / "set" / "val", cat=2, dog=1)
    found = count(tmp_path / "set")
    absent = figure(found, "absent:val")
    assert absent.value == 1
    assert absent.lines == ("eel: 2 in all",)
    assert paths(found, "absent:val") == ["train/eel/0.png", "train/eel/1.png"]
    assert figure(found, "class:eel").note == "not in val"


def test_files_that_cannot_be_read_are_counted_and_listed(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", cat=5, dog=5)
    (root / "cat" / "torn.png").write_bytes((root / "cat" / "0.png").read_bytes()[:60])
    (root / "dog" / "none.jpg").write_bytes(b"")
    found = count(root)
    assert len(found.table) == 10
    lines = figure(found, "unreadable").lines
    assert [line.partition(":")[0] for line in sorted(lines)] == ["cat/torn.png", "dog/none.jpg"]
    assert figure(found, "class:cat").total == 5


def test_a_set_with_one_class_is_counted_and_the_problem_said(tmp_path: Path) -> None:
    found = count(folders(tmp_path / "set", cat=4))
    assert figure(found, "class:cat").total == 4
    assert "only one class" in found.table.problems[0]
    assert figure(found, "classes:imbalance").value == 1


def test_a_set_without_a_single_box_is_counted_and_the_problem_said(
    tmp_path: Path, box_files: ModuleType
) -> None:
    box_files.voc(tmp_path / "set", {"one": [], "two": []})
    found = count(tmp_path / "set")
    assert len(found.table) == 2
    assert "no object" in found.table.problems[0]
    assert figure(found, "objects:none").total == 2
    area = found.page("area")
    assert area is not None
    assert area.bars == ()


def test_an_image_that_lost_all_its_boxes_is_none_without_objects(
    tmp_path: Path, box_files: ModuleType
) -> None:
    box_files.voc(
        tmp_path / "set",
        {name: [("a", 1, 1, 30, 30)] for name in ("one", "two", "three")}
        | {"lost": [("a", 70, 1, 90, 30)], "bare": []},
    )
    found = count(tmp_path / "set")
    assert [Path(path).stem for path in paths(found, "objects:none")] == ["bare"]
    (line,) = figure(found, "unreadable").lines
    assert line.startswith("JPEGImages/lost.png: none of its objects can be used")


@pytest.mark.parametrize("kind", ["nothing", "no images", "no annotations"])
def test_a_set_without_images_is_refused_in_a_sentence(
    tmp_path: Path, box_files: ModuleType, kind: str
) -> None:
    root = tmp_path / "set"
    if kind == "nothing":
        root.mkdir()
    elif kind == "no images":
        (root / "cat").mkdir(parents=True)
        (root / "dog").mkdir()
    else:
        box_files.coco(root, {})
    with pytest.raises(DataError, match="no ") as caught:
        count(root)
    assert str(caught.value).count("\n") == 0


def test_a_thousand_classes_are_counted(tmp_path: Path) -> None:
    root = folders(tmp_path / "set", first=2)
    content = (root / "first" / "0.png").read_bytes()
    for index in range(999):
        (root / f"c{index:03d}").mkdir()
        (root / f"c{index:03d}" / "x.png").write_bytes(content)
    found = count(root)
    page = found.page("classes")
    assert page is not None
    assert len(page.bars) == 1000
    assert page.bars[0].label == "first"


def _table(labels: np.ndarray, size: int) -> DataTable:
    return DataTable(
        "folder",
        Path("nowhere"),
        tuple(f"class {index}" for index in range(10)),
        ("train", "val"),
        tuple(f"{index}.jpg" for index in range(size)),
        (np.arange(size) % 10 == 0).astype(np.int64),
        labels,
        np.full((size, 2), 32, np.int32),
        np.full(size, "RGB"),
        np.full(size, "JPEG"),
    )


def test_a_hundred_thousand_images_are_counted() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 100_000)
    found = statistics(_table(labels, len(labels)))
    for label in range(10):
        assert figure(found, f"class:class {label}").total == int((labels == label).sum())
    assert len(figure(found, "size:32x32").rows) == 100_000
