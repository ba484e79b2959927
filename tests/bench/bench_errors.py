"""Errors of 5,000 images with 100 boxes each, 68 classes and five objects an image.

CPU time of this process in rounds: median (lowest to highest); the first round is thrown away.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from core.analysis.errors import View, open_errors
from core.datasets.pictures import open_picture

IMAGES, BOXES, OBJECTS, CLASSES = 5000, 100, 5, 68
LARGE = (2112, 1584)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        file = write_predictions(Path(folder) / "p.npz")
        print(f"predictions file: {file.stat().st_size / 1e6:.1f} MB")
        before = peak_megabytes()
        show("open the file, first matrix", lambda: look(open_errors(file).at(0.5)), rounds)
        print(f"  memory on top of the program: {peak_megabytes() - before:.0f} MB at its peak")
        errors = open_errors(file)
        scores = iter(np.tile(np.arange(0.1, 0.9, 0.01), 100).tolist())
        look(errors.at(0.5))
        show(
            "score threshold moved: matrix, kinds, false alarms",
            lambda: look(errors.at(next(scores))),
            rounds,
        )
        steps = iter((0.3, 0.35, 0.4, 0.45, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8) * 10)
        show("IoU threshold moved", lambda: look(errors.at(0.5, next(steps))), rounds)
        view = errors.at(0.5)
        none = CLASSES
        show("cases of the fullest row, sorted, first 50", lambda: view.cases(none, None)[:50], rounds)
        show("TIDE with gains", view.tide, rounds)
        show("class-agnostic NMS switched on", lambda: fresh_suppression(view), rounds)
        errors.at(0.5, agnostic_nms=0.5)
        show(
            "score threshold moved under it",
            lambda: look(errors.at(next(scores), agnostic_nms=0.5)),
            rounds,
        )
        before = peak_megabytes()
        show("AP of all classes", lambda: fresh_precision(view), min(rounds, 3))
        print(f"  memory on top of the above: {peak_megabytes() - before:.0f} MB at its peak")
        picture = Path(folder) / "large.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (LARGE[1] // 8, LARGE[0] // 8, 3), np.uint8)
        Image.fromarray(noise).resize(LARGE).save(picture, quality=90)
        show("decode a JPEG of 2112 x 1584 whole", lambda: open_picture(picture.parent, picture.name), rounds)


def write_predictions(path: Path) -> Path:
    random = np.random.default_rng(0)
    corner = random.random((IMAGES, OBJECTS, 2)) * 400
    there = np.concatenate((corner, corner + 20 + random.random((IMAGES, OBJECTS, 2)) * 100), axis=2)
    near = np.repeat(there, BOXES // (2 * OBJECTS), axis=1)
    near = near + random.normal(0, 6, near.shape)
    corner = random.random((IMAGES, BOXES - near.shape[1], 2)) * 400
    far = np.concatenate((corner, corner + 20 + random.random(corner.shape) * 100), axis=2)
    np.savez_compressed(
        path,
        format=1,
        root="/nowhere",
        paths=np.array([f"{index:05d}.png" for index in range(IMAGES)]),
        class_names=np.array([f"Genus{index // 3} species{index}" for index in range(CLASSES)]),
        image_offsets=np.arange(IMAGES + 1) * BOXES,
        boxes=np.concatenate((near, far), axis=1).reshape(-1, 4).astype(np.float32),
        scores=random.random(IMAGES * BOXES).astype(np.float32),
        labels=random.integers(0, CLASSES, IMAGES * BOXES),
        sizes=np.full((IMAGES, 2), 640, np.int32),
        score_floor=0.05,
        nms_iou=0.5,
        max_det=BOXES,
        gt_offsets=np.arange(IMAGES + 1) * OBJECTS,
        gt_boxes=there.reshape(-1, 4).astype(np.float32),
        gt_labels=random.integers(0, CLASSES, IMAGES * OBJECTS),
        gt_crowd=np.zeros(IMAGES * OBJECTS, bool),
        gt_difficult=np.zeros(IMAGES * OBJECTS, bool),
        gt_area=np.full(IMAGES * OBJECTS, 4000, np.float32),
        gt_source=np.arange(IMAGES * OBJECTS),
        ignore_difficult=True,
    )
    return path


def look(view: View) -> None:
    """What a screen shows at once."""
    assert view.matrix.sum() > 0
    assert view.kinds["correct"] >= 0
    assert view.false_alarms.shape[1] == CLASSES


def fresh_suppression(view: View) -> None:
    from core.analysis.agnostic_nms import keep_best

    look_at = view.scene.without(keep_best(view.scene.found, 0.5))
    look_at.matcher(0.5).at(0.5)


def fresh_precision(view: View) -> None:
    from core.analysis.coco_ap import average_precision

    average_precision(view.scene.objects, view.scene.found, CLASSES)


def show(what: str, work: Callable[[], object], rounds: int) -> None:
    found = []
    for turn in range(rounds + 1):
        begun = time.process_time()
        work()
        if turn:
            found.append((time.process_time() - begun) * 1e3)
    print(f"{what}: {statistics.median(found):.0f} ms ({min(found):.0f} to {max(found):.0f})")


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
