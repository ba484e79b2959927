"""Writers of small data sets with boxes, in the formats that people have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Box = tuple[str, float, float, float, float]


def picture(
    path: Path,
    width: int = 64,
    height: int = 48,
    seed: int | None = None,
    *,
    turn: int = 1,
    mode: str = "RGB",
) -> Path:
    """An image file of noise; the seed is the path's name unless given. `turn`: its EXIF orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()) if seed is None else seed)
    pixels = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).convert(mode).save(path, exif=exif)
    return path


def xml_object(box: Box, extra: str = "") -> str:
    name, *corners = box
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{extra}<bndbox>{inner}</bndbox></object>"


def xml(
    path: Path,
    boxes: Sequence[Box] = (),
    *,
    filename: str | None = None,
    size: tuple[Any, Any] | None = (64, 48),
    body: str = "",
) -> Path:
    """A VOC annotation; `body` is put in as it stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f"{path.stem}.png" if filename is None else filename
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    lines = "\n".join(map(xml_object, boxes))
    file = f"<filename>{name}</filename>" if name else ""
    path.write_text(f"<annotation>\n{file}\n{sides}\n{lines}\n{body}</annotation>\n", encoding="utf-8")
    return path


def voc(root: Path, images: dict[str, Sequence[Box]]) -> Path:
    """Annotations/NAME.xml and JPEGImages/NAME.png for each image; returns `root`."""
    for name, boxes in images.items():
        picture(root / "JPEGImages" / f"{name}.png")
        xml(root / "Annotations" / f"{name}.xml", boxes)
    return root


def coco_document(images: dict[str, Sequence[Box]], classes: Sequence[str]) -> dict[str, Any]:
    """A COCO document: image ids from 1, category ids 10, 20, ..., boxes as xywh."""
    records: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, boxes) in enumerate(images.items(), 1):
        records.append({"id": number, "file_name": name, "width": 64, "height": 48})
        for label, x1, y1, x2, y2 in boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 10 * (classes.index(label) + 1),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
            )
    categories = [{"id": 10 * (i + 1), "name": name} for i, name in enumerate(classes)]
    return {"images": records, "annotations": annotations, "categories": categories}


def write_json(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def coco(root: Path, images: dict[str, Sequence[Box]], classes: Sequence[str] = ("a", "b")) -> Path:
    """images/NAME and annotations.json; returns `root`."""
    for name in images:
        picture(root / "images" / name)
    write_json(root / "annotations.json", coco_document(images, classes))
    return root


def yolo(root: Path, images: dict[str, str | None], names: str = "[a, b]", split: str = "train") -> Path:
    """images/SPLIT/NAME.png, labels/SPLIT/NAME.txt (none for None) and data.yaml; returns `root`."""
    for name, text in images.items():
        picture(root / "images" / split / f"{name}.png", 100, 50)
        if text is not None:
            label = root / "labels" / split / f"{name}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text, encoding="utf-8")
    (root / "data.yaml").write_text(f"path: .\ntrain: images/train\nnames: {names}\n", encoding="utf-8")
    return root
