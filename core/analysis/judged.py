"""Judgements on cases: made of what a screen shows, written out for people and for tools to mend labels."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from typing import Any

from core.analysis.cases import Box, Case
from core.analysis.errors import DETECTION, Errors, View
from core.analysis.export_predictions import coco_truth, sized
from core.analysis.predictions import BoxPredictions
from core.errors import DataError
from core.store.judgements import Judgement
from core.text import clean

COLUMNS = (
    "image",
    "verdict",
    "note",
    "kind",
    "truth",
    "prediction",
    "score",
    "iou",
    "truth_box",
    "prediction_box",
)
LABEL_WRONG = "label wrong"
_NOT_IN_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
_OF_OBJECTS = ("confused", "missed", "correct")
# What a spreadsheet takes for a formula: see OWASP, CSV injection.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def judgement_of(view: View, case: Case, verdict: str = "", note: str = "") -> Judgement:
    """The judgement on a case as it is kept; its `key` finds an earlier one on the same case."""
    names, scene = view.errors.classes, view.errors.scene
    boxes = view.errors.kind == DETECTION
    truth = case.truth if case.truth is not None else _label_of(scene.objects.classes, case.object)
    return Judgement(
        clean(case.path),
        verdict,
        note,
        case.kind,
        None if truth is None else names[truth],
        None if case.predicted is None else names[case.predicted],
        case.score,
        case.iou,
        _box(scene.objects.boxes, case.object) if boxes else None,
        _box(scene.found.boxes, case.prediction) if boxes else None,
    )


def as_csv(judgements: Iterable[Judgement]) -> str:
    """A row a judgement; what a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in judgements:
        cells = (
            item.image,
            item.verdict,
            item.note,
            item.kind,
            item.truth or "",
            item.predicted or "",
            "" if item.score is None else f"{item.score:.4f}",
            "" if item.iou is None else f"{item.iou:.4f}",
            _corners(item.truth_box),
            _corners(item.predicted_box),
        )
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue()


def as_coco(errors: Errors, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """The annotations of all images with a label that is wrong, as they would be with the judged ones mended.

    A confused object takes the predicted class, a box on nothing becomes an object; other wrong labels stay.
    Objects of these images that were judged, rightly labelled or not, have `attributes` with the judgement,
    the note, the kind of error and the class that it `was`. Raises DataError for classification, which has
    no boxes.
    """
    source = errors.source
    if not isinstance(source, BoxPredictions):
        raise DataError("Judgements on whole images have no boxes: save them as CSV.")
    document = coco_truth(source)
    ids = {clean(record["file_name"]): record["id"] for record in document["images"]}
    category = {record["name"]: record["id"] for record in document["categories"]}
    chosen = {ids[item.image] for item in judgements if item.verdict == LABEL_WRONG and item.image in ids}
    annotations = [record for record in document["annotations"] if record["image_id"] in chosen]
    next_id = 1 + len(document["annotations"])
    for item in judgements:
        if ids.get(item.image) not in chosen:
            continue
        wrong = item.verdict == LABEL_WRONG
        about = {"judgement": item.verdict, "note": item.note, "kind": item.kind}
        there = _same_object(annotations, ids[item.image], item.truth_box)
        if there is not None and item.kind in _OF_OBJECTS:
            # Of several judgements on an object the one that its label is wrong is told.
            if wrong or "attributes" not in there:
                there["attributes"] = {**about, "was": item.truth}
            if wrong and item.kind == "confused" and item.predicted in category:
                there["category_id"] = category[item.predicted]
        elif wrong and item.predicted in category and item.predicted_box is not None:
            box = _sized(item.predicted_box)
            annotations.append(
                {
                    "id": next_id,
                    "image_id": ids[item.image],
                    "category_id": category[item.predicted],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "attributes": {**about, "was": None},
                }
            )
            next_id += 1
    images = [record for record in document["images"] if record["id"] in chosen]
    return {**document, "images": images, "annotations": annotations}


def as_voc(document: dict[str, Any]) -> dict[str, bytes]:
    """VOC's XML files, out of what `as_coco` gives, by their paths, which are the images' with `.xml`.

    Judged objects have elements `judgement`, `note`, `kind` and `was`, which readers of VOC pass over.
    """
    names = {record["id"]: record["name"] for record in document["categories"]}
    of_image: dict[int, list[dict[str, Any]]] = {}
    for record in document["annotations"]:
        of_image.setdefault(record["image_id"], []).append(record)
    files: dict[str, bytes] = {}
    for image in document["images"]:
        parts = [clean(part) for part in image["file_name"].split("/") if part not in ("", ".", "..")]
        root = ElementTree.Element("annotation")
        _text(root, "folder", "/".join(parts[:-1]))
        _text(root, "filename", parts[-1])
        size = ElementTree.SubElement(root, "size")
        for tag, value in (("width", image["width"]), ("height", image["height"]), ("depth", 3)):
            _text(size, tag, value)
        for record in of_image.get(image["id"], []):
            thing = ElementTree.SubElement(root, "object")
            _text(thing, "name", names[record["category_id"]])
            _text(thing, "difficult", record.get("ignore", 0))
            x, y, width, height = record["bbox"]
            box = ElementTree.SubElement(thing, "bndbox")
            for tag, value in (("xmin", x), ("ymin", y), ("xmax", x + width), ("ymax", y + height)):
                _text(box, tag, f"{round(value, 3):.12g}")
            for tag, value in record.get("attributes", {}).items():
                if value:
                    _text(thing, tag, value)
        ElementTree.indent(root)
        whole = "/".join(parts)
        stem = whole.rpartition(".")[0] if "." in parts[-1][1:] else whole
        name = f"{stem}.xml" if f"{stem}.xml" not in files else f"{whole}.xml"
        files[name] = ElementTree.tostring(root, encoding="utf-8")
    return files


def _same_object(records: list[dict[str, Any]], image: int, box: Box | None) -> dict[str, Any] | None:
    if box is None:
        return None
    wanted = _sized(box)
    for record in records:
        near = all(abs(a - b) < 0.1 for a, b in zip(record["bbox"], wanted, strict=True))
        if record["image_id"] == image and near:
            return record
    return None


def _sized(box: Box) -> list[float]:
    import numpy as np

    return sized(np.array([box]))[0]


def _label_of(classes: Any, row: int | None) -> int | None:
    return None if row is None else int(classes[row])


def _box(boxes: Any, row: int | None) -> Box | None:
    if row is None:
        return None
    x1, y1, x2, y2 = boxes[row].tolist()
    return x1, y1, x2, y2


def _corners(box: Box | None) -> str:
    return "" if box is None else " ".join(f"{value:.2f}" for value in box)


def _text(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value).translate(_NOT_IN_XML)
