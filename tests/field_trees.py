"""Data sets as people have them after unpacking or exporting, written small with pictures of noise.

`TREES` has them by name: how each is written, and what labtui should make of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_BOX_HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"
_LABEL = "{} 0.5 0.5 0.4 0.3"
_CLASSES = ("king", "queen")
WIDTH, HEIGHT = 48, 40


@dataclass(frozen=True)
class Tree:
    """One kind of tree. `images`: how many each split has, val held out of train where `held_out` is set;
    `objects` in all, None for images with a class each; `told`: words of a note."""

    write: Callable[[Path], None]
    format: str
    classes: tuple[str, ...]
    images: Mapping[str, int]
    objects: int | None = None
    told: str = ""


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    """An image file of noise, another one for each path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes("/".join(path.parts[-3:]).encode()[-8:], "big")
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def lines(path: Path, *rows: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding=encoding)


# Tables of boxes


def box_row(name: str, label: str, *, split: str = "") -> str:
    """A row below `filename,width,height,class,xmin,ymin,xmax,ymax`."""
    return f"{name},{WIDTH},{HEIGHT},{label},4,5,30,32{split}"


def raccoon(root: Path) -> None:
    """One table for all images, in a folder of its own; one image has two boxes."""
    names = [f"raccoon-{index}.jpg" for index in range(8)]
    for name in names:
        picture(root / "images" / name)
    rows = [box_row(name, "raccoon") for name in names]
    second = f"raccoon-3.jpg,{WIDTH},{HEIGHT},raccoon,1,2,10,12"
    lines(root / "data/raccoon_labels.csv", _BOX_HEADER, *rows, second)


def tables_by_split(root: Path) -> None:
    """images/train with images/train_labels.csv, and the same for test."""
    for split, number in (("train", 6), ("test", 3)):
        names = [f"{split}{index}.jpg" for index in range(number)]
        for name in names:
            picture(root / "images" / split / name)
        rows = [box_row(name, _CLASSES[index % 2]) for index, name in enumerate(names)]
        lines(root / f"images/{split}_labels.csv", _BOX_HEADER, *rows)


def roboflow_table(root: Path) -> None:
    for split, number in (("train", 6), ("valid", 3), ("test", 2)):
        names = [f"{split}{index}_jpg.rf.{index:04x}.jpg" for index in range(number)]
        for name in names:
            picture(root / split / name)
        rows = [box_row(name, _CLASSES[index % 2]) for index, name in enumerate(names)]
        lines(root / split / "_annotations.csv", _BOX_HEADER, *rows)


def roboflow_retinanet(root: Path) -> None:
    """No header: path,x1,y1,x2,y2,class; the classes in a table of their own."""
    for split, number in (("train", 6), ("valid", 3)):
        names = [f"{split}{index}.jpg" for index in range(number)]
        for name in names:
            picture(root / split / name)
        rows = [f"{name},4,5,30,32,{_CLASSES[index % 2]}" for index, name in enumerate(names)]
        lines(root / split / "_annotations.csv", *rows, "empty.jpg,,,,,")
        picture(root / split / "empty.jpg")
        lines(root / split / "_classes.csv", "king,0", "queen,1")


def wheat(root: Path) -> None:
    """Ids without endings, one cell for the box, no class, and a table to hand in."""
    ids = [f"{index:04x}ab" for index in range(8)]
    for identity in ids:
        picture(root / "train" / f"{identity}.jpg")
    picture(root / "test/zz.jpg")
    rows = [f'{identity},{WIDTH},{HEIGHT},"[4.0, 5, 20, 12]",usask_1' for identity in ids]
    lines(root / "train.csv", "image_id,width,height,bbox,source", *rows)
    lines(root / "sample_submission.csv", "image_id,PredictionString", "zz,1.0 0 0 50 50")


def open_images(root: Path) -> None:
    ids = [f"{index:04x}ab" for index in range(8)]
    for identity in ids:
        picture(root / "images" / f"{identity}.jpg")
    rows = [f"{identity},xclick,/m/01,1,0.1,0.5,0.2,0.9,0" for identity in ids]
    lines(
        root / "annotations-bbox.csv",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded",
        *rows,
    )


def makesense(root: Path) -> None:
    """No header: class, x, y, width, height, image, and the image's size."""
    for index in range(8):
        picture(root / "images" / f"p{index}.jpg")
    rows = [f"{_CLASSES[index % 2]},4,5,26,27,p{index}.jpg,{WIDTH},{HEIGHT}" for index in range(8)]
    lines(root / "labels_my-project.csv", *rows)


# YOLO


def roboflow_yolo(
    root: Path, splits: Sequence[str] = ("train", "valid", "test"), where: str = "../", empty: str = ""
) -> None:
    """Folders for `splits`, while data.yaml names all three below `where`."""
    for split in splits:
        for index in range(5 if split == "train" else 2):
            name = f"{split}{index}_jpg.rf.{index:04x}"
            picture(root / split / "images" / f"{name}.jpg")
            lines(root / split / "labels" / f"{name}.txt", _LABEL.format(index % 2))
    if empty:
        (root / empty / "images").mkdir(parents=True)
        (root / empty / "labels").mkdir(parents=True)
    named = [f"{key}: {where}{split}/images" for key, split in (("train", "train"), ("val", "valid"))]
    test = f"test: {where}test/images" if "test" in splits or not empty else "test:"
    lines(root / "data.yaml", *named, test, "", "nc: 2", "names: ['king', 'queen']")


def cvat_yolo(root: Path) -> None:
    """ "YOLO 1.1": its paths begin with a folder that the archive does not have."""
    names = [f"frame_{index:06}" for index in range(8)]
    for index, name in enumerate(names):
        picture(root / "obj_train_data" / f"{name}.PNG")
        lines(root / "obj_train_data" / f"{name}.txt", _LABEL.format(index % 2))
    given = ["classes = 2", "train = data/train.txt", "names = data/obj.names", "backup = backup/"]
    lines(root / "obj.data", *given)
    lines(root / "obj.names", *_CLASSES)
    lines(root / "train.txt", *(f"data/obj_train_data/{name}.PNG" for name in names))


def cvat_yolo_subsets(root: Path) -> None:
    for split, number in (("Train", 6), ("Validation", 3)):
        for index in range(number):
            picture(root / f"obj_{split}_data/{split}{index}.jpg")
            lines(root / f"obj_{split}_data/{split}{index}.txt", _LABEL.format(index % 2))
        rows = [f"data/obj_{split}_data/{split}{index}.jpg" for index in range(number)]
        lines(root / f"{split}.txt", *rows)
    given = ["classes = 2", "train = data/Train.txt", "valid = data/Validation.txt", "names = data/obj.names"]
    lines(root / "obj.data", *given)
    lines(root / "obj.names", *_CLASSES)


def listed_elsewhere(root: Path) -> None:
    """data.yaml and lists of another machine, the second one a Windows one."""
    for index in range(8):
        picture(root / f"images/all/f{index}.jpg")
        lines(root / f"labels/all/f{index}.txt", _LABEL.format(index % 2))
    rows = [f"/home/bob/yolo/cards/images/all/f{index}.jpg" for index in range(5)]
    lines(root / "train.txt", *rows)
    lines(root / "val.txt", *(f"D:\\cards\\images\\all\\f{index}.jpg" for index in range(5, 8)))
    given = ["path: /home/bob/yolo/cards", "train: train.txt", "val: D:\\cards\\val.txt"]
    lines(root / "data.yaml", *given, "names: {0: king, 1: queen}")


def label_studio(root: Path) -> None:
    for index in range(8):
        name = f"a1b2c3d{index}-photo_{index}"
        picture(root / "images" / f"{name}.jpg")
        lines(root / "labels" / f"{name}.txt", _LABEL.format(index % 2))
    lines(root / "classes.txt", *_CLASSES)
    categories = [{"id": index, "name": name} for index, name in enumerate(_CLASSES)]
    about = {"year": 2026, "version": "1.0", "contributor": "Label Studio"}
    lines(root / "notes.json", json.dumps({"categories": categories, "info": about}))


# One file with all boxes


def cvat_images(root: Path) -> None:
    body = []
    for index in range(8):
        picture(root / f"images/f{index}.jpg")
        corners = 'xtl="4.0" ytl="5.5" xbr="30" ybr="32"'
        shape = f'<box label="{_CLASSES[index % 2]}" occluded="0" {corners} z_order="0"></box>'
        if index == 7:
            shape = '<polygon label="queen" points="4.0,5.5;30,6;28.5,32"></polygon><points points="1,1"/>'
        size = f'width="{WIDTH}" height="{HEIGHT}"'
        body.append(f'<image id="{index}" name="f{index}.jpg" {size}>{shape}</image>')
    labels = "".join(f"<label><name>{name}</name></label>" for name in _CLASSES)
    head = f"<version>1.1</version><meta><job><labels>{labels}</labels></job></meta>"
    lines(root / "annotations.xml", '<?xml version="1.0"?>', f"<annotations>{head}", *body, "</annotations>")


def roboflow_coco(
    root: Path, splits: Sequence[str] = ("train", "valid", "test"), empty: Sequence[str] = ()
) -> None:
    for split in (*splits, *empty):
        (root / split).mkdir(parents=True)
        number = 0 if split in empty else 5
        for index in range(number):
            picture(root / split / f"{split}{index}.jpg")
        names = [f"{split}{index}.jpg" for index in range(number)]
        lines(root / split / "_annotations.coco.json", json.dumps(coco([{"file_name": n} for n in names])))


def lvis(root: Path) -> None:
    """Images by their addresses; some of val lie in the folder of train."""
    for split, number in (("train", 6), ("val", 3)):
        records = []
        for index in range(number):
            folder = "train2017" if split == "train" or not index else "val2017"
            name = f"{folder}/{(split == 'val') * 100 + index + 1:012}.jpg"
            picture(root / name)
            address = f"http://images.cocodataset.org/{name}"
            records.append({"coco_url": address, "neg_category_ids": [1], "not_exhaustive_category_ids": []})
        lines(root / f"lvis_v1_{split}.json", json.dumps(coco(records)))


def coco(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A document with one box for each image, and a category that no box has, as Roboflow puts first."""
    size = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": index, **size, **record} for index, record in enumerate(records)]
    boxes = [
        {"id": index, "image_id": index, "category_id": 1 + index % 2, "bbox": [4, 5, 20, 12], "area": 240}
        for index in range(len(images))
    ]
    names = ("cards", *_CLASSES)
    categories = [{"id": index, "name": name, "supercategory": "none"} for index, name in enumerate(names)]
    return {"images": images, "annotations": boxes, "categories": categories}


_HELD = {"train": 6, "val": 2}
_ROBOFLOW_COCO = ("king", "queen", "cards")
BOX_TREES = {
    "raccoon": Tree(raccoon, "csv", ("raccoon",), {"train": 7, "val": 1}, 9),
    "tables by split": Tree(tables_by_split, "csv", _CLASSES, {"train": 4, "val": 2, "test": 3}, 9),
    "Roboflow table": Tree(roboflow_table, "csv", _CLASSES, {"train": 6, "val": 3, "test": 2}, 11),
    "Roboflow RetinaNet": Tree(roboflow_retinanet, "csv", _CLASSES, {"train": 7, "val": 4}, 9),
    "wheat": Tree(wheat, "csv", ("object",), {"train": 7, "val": 1}, 8, "all boxes are of one"),
    "Open Images": Tree(open_images, "csv", ("/m/01",), {"train": 7, "val": 1}, 8, "fractions of width"),
    "makesense": Tree(makesense, "csv", _CLASSES, _HELD, 8),
    "Roboflow YOLO": Tree(roboflow_yolo, "yolo", _CLASSES, {"train": 5, "val": 2, "test": 2}, 9),
    "Roboflow YOLO without test": Tree(
        lambda root: roboflow_yolo(root, ("train", "valid")),
        "yolo",
        _CLASSES,
        {"train": 5, "val": 2},
        7,
        "`test` is ../test/images, which does not exist: no test images",
    ),
    "Roboflow YOLO without splits": Tree(
        lambda root: roboflow_yolo(root, ("train",)),
        "yolo",
        _CLASSES,
        {"train": 3, "val": 2},
        5,
        "`val` is ../valid/images, which does not exist: no val images",
    ),
    "Roboflow YOLO in a folder": Tree(
        lambda root: roboflow_yolo(root, where="players-1/"),
        "yolo",
        _CLASSES,
        {"train": 5, "val": 2, "test": 2},
        9,
        "`train` is players-1/train/images, which does not exist: train/images is used",
    ),
    "Roboflow YOLO with an empty val": Tree(
        lambda root: roboflow_yolo(root, ("train",), empty="valid"),
        "yolo",
        _CLASSES,
        {"train": 3, "val": 2},
        5,
        "no val images:",
    ),
    "CVAT YOLO": Tree(cvat_yolo, "yolo", _CLASSES, _HELD, 8, "found by name inside the data set"),
    "CVAT YOLO with subsets": Tree(
        cvat_yolo_subsets, "yolo", _CLASSES, {"train": 6, "val": 3}, 9, "`valid` is data/Validation.txt"
    ),
    "lists of another machine": Tree(
        listed_elsewhere, "yolo", _CLASSES, {"train": 5, "val": 3}, 8, "found by name inside the data set"
    ),
    "Label Studio": Tree(label_studio, "yolo", _CLASSES, _HELD, 8),
    "CVAT for images": Tree(cvat_images, "cvat", _CLASSES, _HELD, 8, "1 points left out"),
    "Roboflow COCO": Tree(roboflow_coco, "coco", _ROBOFLOW_COCO, {"train": 5, "val": 5, "test": 5}, 15),
    "Roboflow COCO without splits": Tree(
        lambda root: roboflow_coco(root, ("train",)), "coco", _ROBOFLOW_COCO, {"train": 3, "val": 2}, 5
    ),
    "Roboflow COCO with an empty val": Tree(
        lambda root: roboflow_coco(root, ("train",), ("valid",)),
        "coco",
        _ROBOFLOW_COCO,
        {"train": 3, "val": 2},
        5,
        "no val images:",
    ),
    "LVIS": Tree(lvis, "coco", _ROBOFLOW_COCO, {"train": 6, "val": 3}, 9),
}
