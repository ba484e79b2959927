"""The table of data formats: each has its module and its place in help and docs; a further one is a line."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from core.analysis.data_reading import read_table
from core.config.data_formats import BOX_FORMATS, DATA_FORMATS, DataFormat, formats_in, readers_of
from core.config.fields import field_spec
from core.config.schema import DataConfig
from core.datasets.boxes.annotations import BoxPlaces, BoxSource, RawBox, RawImage, RawSplit
from core.datasets.boxes.box_format import BoxFormat
from core.datasets.check import check_dataset
from core.datasets.findings import Findings
from core.datasets.format import Format, data_format, format_of, has_boxes
from core.datasets.open import open_dataset, require_root
from core.datasets.outline import outline

ROOT = Path(__file__).parents[2]
METHODS = [name for name in vars(Format) if not name.startswith("_")]


@pytest.mark.parametrize("name", list(DATA_FORMATS))
def test_every_format_is_whole(name: str) -> None:
    found = format_of(name)
    assert METHODS
    assert all(callable(getattr(found, method)) for method in METHODS)
    assert DataConfig(format=name).format == name
    assert f"`{name}`" in (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    task = DATA_FORMATS[name].task
    assert task is None or has_boxes(DataConfig(format=name)) is (task == "detection")


def test_the_form_offers_the_formats_of_the_table() -> None:
    assert field_spec("data.format").choices == ("auto", *DATA_FORMATS)
    assert readers_of("boxes") == ("coco", "csv")
    assert readers_of("empty") == (*BOX_FORMATS, "synthetic")
    assert formats_in(".JSON") == ("coco",)
    assert formats_in(".txt") == ()


def toy_module() -> ModuleType:
    """A reader of boxes.csv (image, class, x1, y1, x2, y2), as a module of its own would have it."""

    def looks_like(path: Path) -> bool:
        return (path / "boxes.csv").is_file()

    def places(data: DataConfig, root: Path | None) -> BoxPlaces:
        assert root is not None
        return BoxPlaces(root, BoxSource("train", root))

    def read_split(source: BoxSource, places: BoxPlaces, data: DataConfig, found: Findings) -> RawSplit:
        boxes: dict[str, list[RawBox]] = {}
        with (places.root / "boxes.csv").open() as file:
            for line, (image, name, *corners) in enumerate(csv.reader(file), 1):
                x1, y1, x2, y2 = map(float, corners)
                boxes.setdefault(image, []).append(RawBox(name, (x1, y1, x2, y2), f"box {line}", line))
        images = [RawImage(path, "boxes.csv", path, tuple(inside)) for path, inside in boxes.items()]
        return RawSplit(images, annotated=1)

    module: Any = ModuleType("toy_boxes")
    module.FORMATS = {"toy": BoxFormat("toy", looks_like, places, read_split)}
    return module


def test_a_module_and_a_line_are_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detected, outlined, opened, checked and counted; nothing else names it."""
    lines = []
    for number in range(6):
        Image.new("RGB", (40, 30), (number * 40, 0, 0)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},2,3,20,{20 + number}\n")
    (tmp_path / "boxes.csv").write_text("".join(lines) + "5.png,a,35,1,90,9\n")
    data = DataConfig(root=tmp_path)
    assert data_format(data) == "folder"
    monkeypatch.setitem(sys.modules, "toy_boxes", toy_module())
    assert isinstance(DATA_FORMATS, dict)
    monkeypatch.setitem(DATA_FORMATS, "toy", DataFormat("toy", "a table of boxes", "toy_boxes", "detection"))
    for module in ("core.datasets.format", "core.datasets.check"):
        monkeypatch.setattr(f"{module}.BOX_FORMATS", (*BOX_FORMATS, "toy"))
    assert data_format(data) == "toy"
    assert has_boxes(data)
    require_root(data)
    told = outline(data)
    assert (told.classes, told.train + told.val, told.objects) == (("a", "b"), 6, 7)
    dataset = open_dataset(data)
    assert dataset.kind == "detection"
    assert sum(map(len, dataset.splits.values())) == 6
    check = check_dataset(data)
    assert check.summary() == "toy: 6 images, 7 objects, 2 classes; 1 repaired, 0 dropped, 1 warning"
    table = read_table(data)
    assert table.objects is not None
    assert len(table.objects.labels) == 7
