"""Tables of boxes in the ways that people write them, and CVAT's file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.config.schema import DataConfig, SplitPaths
from core.datasets.boxes.read_boxes import read_boxed
from core.datasets.check import Check, check_dataset
from core.datasets.format import data_format
from core.datasets.open import open_dataset
from core.errors import DataError

WANTED = (4.0, 5.0, 30.0, 32.0)


def table(
    root: Path, box_files: ModuleType, header: str, row: str, images: int = 4, encoding: str = "utf-8"
) -> Path:
    """images/p0.png ... of 64 x 48 and a row for each, with IMAGE in place of its name."""
    for index in range(images):
        box_files.picture(root / "images" / f"p{index}.png")
    rows = [row.replace("IMAGE", f"p{index}.png") for index in range(images)]
    text = "\n".join([header, *rows] if header else rows) + "\n"
    (root / "boxes.csv").write_text(text, encoding=encoding)
    return root


def check(root: Path, **keys: Any) -> Check:
    return check_dataset(DataConfig(root=root, **keys))


def boxes(root: Path, **keys: Any) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    read = read_boxed(DataConfig(root=root, **keys), "csv")
    return {Path(s.raw.path).stem: [(item.box.name, item.corners) for item in s.kept] for s in read.images}


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "IMAGE,64,48,a,4,5,30,32"),
        ("filename;width;height;class;xmin;ymin;xmax;ymax", "IMAGE;64;48;a;4;5;30;32"),
        ("filename\tclass\txmin\tymin\txmax\tymax", "IMAGE\ta\t4\t5\t30\t32"),
        ("\tfilename\tclass\txmin\tymin\txmax\tymax", "7\tIMAGE\ta\t4\t5\t30\t32"),
        ("image,x1,y1,x2,y2,label", "IMAGE,4,5,30,32,a"),
        ("image,x0,y0,x1,y1,label", "IMAGE,4,5,30,32,a"),
        ("image_path,label,x_min,y_min,x_max,y_max", "images/IMAGE,a,4,5,30,32"),
        ("img,top,left,bottom,right,class_name", "IMAGE,5,4,32,30,a"),
        ("image_name,left,top,width,height,label", "IMAGE,4,5,26,27,a"),
        ("file,x,y,w,h,class", "IMAGE,4,5,26,27,a"),
        ("file,width,height,class,x,y,w,h", "IMAGE,64,48,a,4,5,26,27"),
        ("file,width,height,class,bbox_xmin,bbox_ymin,bbox_xmax,bbox_ymax", "IMAGE,64,48,a,4,5,30,32"),
        ("file,class,xc,yc,w,h,width,height", "IMAGE,a,17,18.5,26,27,64,48"),
        (
            "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
            "a,4,5,26,27,IMAGE,64,48",
        ),
        ("filename,class,x_center,y_center,width,height", "IMAGE,a,17,18.5,26,27"),
        ("file_name,category_id,category,bbox", 'IMAGE,3,a,"[4, 5, 26.0, 27]"'),
        ("ImageID,Source,LabelName,XMin,XMax,YMin,YMax", "IMAGE,x,a,0.0625,0.46875,0.10416667,0.66666667"),
        ("filename,class,xmin,ymin,xmax,ymax", "C:\\me\\images\\IMAGE,a,4.0,5.0,30.0,32.0"),
        ("", "IMAGE,4,5,30,32,a"),
        ("", "a,4,5,26,27,IMAGE,64,48"),
        ("", "IMAGE,64,48,a,4,5,30,32"),
    ],
    ids=range(21),
)
def test_columns(tmp_path: Path, box_files: ModuleType, header: str, row: str) -> None:
    root = table(tmp_path, box_files, header, row)
    assert data_format(DataConfig(root=root)) == "csv"
    read = boxes(root)
    assert len(read) == 4
    for [(name, corners)] in read.values():
        assert name == "a"
        assert corners == pytest.approx(WANTED, abs=1e-5)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,label", "IMAGE,a"),
        ("file,width,height,label", "IMAGE,64,48,a"),
        ("Filename,Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId", "IMAGE,64,48,4,5,30,32,1"),
        ("name,score,x,y", "IMAGE,1,4,5"),
    ],
    ids=range(4),
)
def test_other_tables_are_none_of_boxes(tmp_path: Path, box_files: ModuleType, header: str, row: str) -> None:
    assert data_format(DataConfig(root=table(tmp_path, box_files, header, row))) == "folder"


def test_what_a_row_may_lack(tmp_path: Path, box_files: ModuleType) -> None:
    """Rows without numbers are images without objects; faults are told with their line."""
    root = table(tmp_path, box_files, "filename,class,xmin,ymin,xmax,ymax", "IMAGE,a,4,5,30,32", 7)
    rows = (root / "boxes.csv").read_text().splitlines()
    rows[1] = "p0.png,,,,,"
    rows[2] = "p1.png,a,4,5,thirty,32"
    rows[3] = "p2.png,,4,5,30,32"
    rows[4] = "p3.png,a,4,5,30"
    rows[5] = "gone.png,a,4,5,30,32"
    (root / "boxes.csv").write_text("\n".join(rows))
    found = check(root)
    assert (found.objects, found.empty_images, found.dropped) == (2, 1, 3)
    assert set(found.left_out) == {"images/p1.png", "images/p2.png"}
    assert [(item.line, item.text) for item in found.warnings[:4]] == [
        (5, "line 5 has another number of columns than the first line, dropped"),
        (3, "the box on line 3 has 'thirty' instead of a number, dropped"),
        (4, "the box on line 4 has no class, dropped"),
        (0, "gone.png does not exist: left out with its 1 object"),
    ]
    others = "2 images in the same folders are not used: images/p3.png, images/p4.png"
    assert others in [item.text for item in found.notes]


def test_korean_tables(tmp_path: Path, box_files: ModuleType) -> None:
    row = "IMAGE,강아지,4,5,30,32"
    header = "filename,class,xmin,ymin,xmax,ymax"
    assert check(table(tmp_path, box_files, header, row, encoding="utf-8-sig")).classes == ("강아지",)
    assert check(table(tmp_path, box_files, header, row, encoding="utf-16")).classes == ("강아지",)
    (error,) = check(table(tmp_path, box_files, header, row, encoding="cp949")).errors
    assert error.text == f"{tmp_path}/boxes.csv:2: it is not UTF-8 text (byte 0xb0): save it as UTF-8"


def test_a_column_of_splits(tmp_path: Path, box_files: ModuleType) -> None:
    header = "filename,class,xmin,ymin,xmax,ymax,subset"
    root = table(tmp_path, box_files, header, "IMAGE,a,4,5,30,32,train", 6)
    text = (root / "boxes.csv").read_text()
    text = text.replace("p4.png,a,4,5,30,32,train", "p4.png,a,4,5,30,32,Validation")
    (root / "boxes.csv").write_text(text.replace("p5.png,a,4,5,30,32,train", "p5.png,a,4,5,30,32,other"))
    found = check(root)
    assert {split: each.images for split, each in found.splits.items()} == {"train": 4, "val": 1}
    assert "1 row of no split train, val or test: left out" in [item.text for item in found.warnings]


def test_numbers_that_mean_something_else_are_doubted_and_read_on_request(
    tmp_path: Path, box_files: ModuleType
) -> None:
    root = table(tmp_path, box_files, "image_id,bbox", 'IMAGE,"[40, 20, 60, 44]"')
    (told,) = check(root).warnings[-1:]
    assert told.text.endswith("set data.boxes to xyxy")
    assert {corners for [(_, corners)] in boxes(root, boxes="xyxy").values()} == {(40, 20, 60, 44)}


def test_a_table_beside_other_annotations_or_class_folders(tmp_path: Path, box_files: ModuleType) -> None:
    """Beside XML files it is a copy of them; beside class folders it is another way to read the set."""
    box_files.voc(tmp_path / "voc", {"p0": [("b", 1, 2, 9, 9)], "p1": [("b", 1, 2, 9, 9)]})
    (tmp_path / "voc/labels.csv").write_text("filename,class,xmin,ymin,xmax,ymax\np0.png,a,4,5,30,32\n")
    assert data_format(DataConfig(root=tmp_path / "voc")) == "voc"
    for name in ("cat", "dog"):
        for index in range(3):
            box_files.picture(tmp_path / "pets" / name / f"{name}{index}.png")
    rows = [f"{name}/{name}{index}.png,{name},4,5,30,32" for name in ("cat", "dog") for index in range(3)]
    (tmp_path / "pets/train.csv").write_text("\n".join(["filename,class,xmin,ymin,xmax,ymax", *rows]))
    (error,) = check(tmp_path / "pets").errors
    assert error.text.endswith("holds csv and folder: say which in data.format, as format: csv")
    assert check(tmp_path / "pets", format="csv").objects == 6
    assert len(open_dataset(DataConfig(root=tmp_path / "pets", format="folder")).class_names) == 2


# CVAT


def cvat(root: Path, box_files: ModuleType, *images: str, meta: str = "") -> Path:
    body = []
    for index, shapes in enumerate(images):
        box_files.picture(root / f"images/f{index}.png")
        subset, _, inner = shapes.rpartition("|")
        given = f' subset="{subset}"' if subset else ""
        size = 'width="64" height="48"'
        body.append(f'<image id="{index}" name="f{index}.png"{given} {size}>{inner}</image>')
    head = f"<version>1.1</version><meta>{meta}</meta>"
    (root / "annotations.xml").write_text(f"<annotations>{head}{''.join(body)}</annotations>")
    return root


BOX = '<box label="a" xtl="4" ytl="5" xbr="30" ybr="32"/>'


def test_cvat_shapes(tmp_path: Path, box_files: ModuleType) -> None:
    shapes = {
        BOX: WANTED,
        '<polygon label="a" points="4.0,5.0;30.0,6.0;8,32"/>': WANTED,
        '<ellipse label="a" cx="17" cy="18.5" rx="13" ry="13.5"/>': WANTED,
        '<mask label="a" rle="1" left="4" top="5" width="26" height="27"/>': WANTED,
        '<box label="a" xtl="10" ytl="20" xbr="30" ybr="24" rotation="90"/>': (18, 12, 22, 32),
    }
    root = cvat(tmp_path, box_files, *shapes, '<box label="a" xtl="4"/>', f'{BOX}<box xtl="4"/>')
    read = read_boxed(DataConfig(root=root), "cvat")
    kept = [tuple(round(value, 6) for value in item.corners) for seen in read.images for item in seen.kept]
    assert kept == [*map(tuple, shapes.values()), WANTED]
    assert [item.text for item in read.found.of("warning")] == [
        "shape 1 of f5.png, a box, has no corners, dropped",
        "shape 2 of f6.png has no label, dropped",
    ]


def test_cvat_subsets_and_labels(tmp_path: Path, box_files: ModuleType) -> None:
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("b", "a"))
    images = [f"Train|{BOX}", f"Train|{BOX}", f"Validation|{BOX}", f"default|{BOX}"]
    root = cvat(tmp_path, box_files, *images, meta=f"<job><labels>{labels}</labels></job>")
    found = check(root, order="file")
    assert found.classes == ("b", "a")
    assert {split: each.images for split, each in found.splits.items()} == {"train": 2, "val": 1}
    assert "1 image in no subset train, val or test: left out" in [item.text for item in found.warnings]


def test_cvat_files_that_are_torn(tmp_path: Path, box_files: ModuleType) -> None:
    root = cvat(tmp_path, box_files, BOX, BOX)
    file = root / "annotations.xml"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DataError, match=r"annotations\.xml:1: "):
        open_dataset(DataConfig(root=root))
    with pytest.raises(DataError, match=r"annotations\.xml"):
        open_dataset(DataConfig(format="cvat", train=SplitPaths(annotations=file, images=root / "images")))
