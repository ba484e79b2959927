"""Public sets of objects and detections with published values, where this checkout has them."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from typing import Any

import pytest

from core.analysis.boxes import Detections, Objects, detections, objects
from tests.shared_folder import shared

NAME = "reference/detection-reference.tar.xz"
ARCHIVE = shared(NAME)
FILES = {
    "coco_val2014_100": ("gt_boxes_only.json", "dt_bbox.json"),
    "fcev_small": ("gt_dataset.json", "dt_dataset.json"),
    "cartucho_map": ("gt_coco.json", "dt_coco.json"),
}


@cache
def _read() -> dict[str, bytes]:
    with tarfile.open(ARCHIVE) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
        return {name: file.read() for name, file in files if file is not None and name.endswith(".json")}


def document(name: str) -> Any:
    """A JSON document of the archive, `SET/FILE` or `EXPECTED.json`; skips the test where there is none."""
    if not ARCHIVE.is_file():
        pytest.skip(f"needs ../shared/{NAME}")
    return json.loads(next(data for path, data in _read().items() if path.endswith(f"/{name}")))


def expected(name: str) -> dict[str, Any]:
    """The published and confirmed values of a set."""
    found: dict[str, Any] = next(item for item in document("EXPECTED.json") if item["set"] == name)
    return found


def load(name: str) -> tuple[Objects, Detections, list[str]]:
    """Objects, detections and class names of a set in COCO's format."""
    truth_file, guess_file = FILES[name]
    truth, guesses = document(f"{name}/{truth_file}"), document(f"{name}/{guess_file}")
    return from_coco(truth, guesses["annotations"] if isinstance(guesses, dict) else guesses)


def from_coco(truth: Any, guesses: Any) -> tuple[Objects, Detections, list[str]]:
    """COCO's lists as arrays; detections of classes that the truth does not name are left out."""
    images = sorted(image["id"] for image in truth["images"])
    names = {item["id"]: item["name"] for item in sorted(truth["categories"], key=lambda item: item["id"])}
    label = {number: index for index, number in enumerate(names)}
    there: dict[int, list[Any]] = {image: [] for image in images}
    found: dict[int, list[Any]] = {image: [] for image in images}
    for item in truth["annotations"]:
        there[item["image_id"]].append(item)
    for item in guesses:
        if item["category_id"] in label:
            found[item["image_id"]].append(item)

    def corners(items: list[Any]) -> list[list[float]]:
        return [[x, y, x + w, y + h] for x, y, w, h in (item["bbox"] for item in items)]

    return (
        objects(
            [corners(there[image]) for image in images],
            [[label[item["category_id"]] for item in there[image]] for image in images],
            crowd=[[item.get("iscrowd", 0) for item in there[image]] for image in images],
            area=[
                [item.get("area", item["bbox"][2] * item["bbox"][3]) for item in there[image]]
                for image in images
            ],
        ),
        detections(
            [corners(found[image]) for image in images],
            [[label[item["category_id"]] for item in found[image]] for image in images],
            [[item["score"] for item in found[image]] for image in images],
        ),
        list(names.values()),
    )
