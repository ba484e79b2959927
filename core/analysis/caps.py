"""Where the number of boxes an image is capped, and what that does to the numbers, in words."""

from __future__ import annotations

import numpy as np

from core.analysis.boxes import Flags, Ints, image_of
from core.analysis.coco_ap import MAX_DETECTIONS
from core.analysis.predictions import BoxPredictions

_CAP = MAX_DETECTIONS[-1]


def cap_notes(source: BoxPredictions) -> tuple[str, ...]:
    """Sentences on objects and boxes that the caps leave out; none where they change nothing.

    COCO's AP and AR look at the 100 boxes of an image and class with the highest scores. The matrix and the
    kinds of errors count all boxes that `predict.max_det` let through.
    """
    notes = []
    found, objects = source.found, source.objects
    beyond = _of_images_and_classes(found.offsets, found.classes) - _CAP
    if (over := beyond[beyond > 0]).size:
        notes.append(
            f"AP and AR look at the {_CAP} best boxes of an image and class, as COCO does: {int(over.sum())} "
            "more boxes are in the matrix and not in them"
        )
    if objects is None:
        return tuple(notes)
    counted = ~objects.crowd & ~objects.ignore
    of_class = _of_images_and_classes(objects.offsets, objects.classes, counted) - _CAP
    if (over := of_class[of_class > 0]).size:
        notes.append(
            f"some images have more than {_CAP} objects of a class: {int(over.sum())} objects are beyond "
            "what AP and AR look at, whatever predict.max_det is"
        )
    per_image = np.bincount(image_of(objects.offsets)[counted], minlength=objects.images)
    full = (np.diff(found.offsets) >= source.max_det) & (per_image > source.max_det)
    if full.any():
        least = int((per_image[full] - source.max_det).sum())
        images = int(full.sum())
        notes.append(
            f"{images} image{'s have' if images > 1 else ' has'} more objects than predict.max_det "
            f"({source.max_det}) lets boxes through: at least {least} count as missed; raise predict.max_det "
            "in a fork and measure again"
        )
    return tuple(notes)


def _of_images_and_classes(offsets: Ints, classes: Ints, chosen: Flags | None = None) -> Ints:
    """How many boxes each image has of each class."""
    if not len(classes):
        return np.zeros(0, dtype=np.int64)
    keys = image_of(offsets) * (int(classes.max()) + 1) + classes
    return np.bincount(keys if chosen is None else keys[chosen])
