"""From the boxes that a detector finds to what is stored of a split, and to COCO's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.analysis.coco_ap import Precision
from core.config.schema import Predict
from core.datasets.boxes.box_arrays import Boxes


@dataclass(frozen=True)
class Found:
    """What was found in one picture, by falling score, in the pixels of the upright original.

    boxes (k, 4) float32 x1, y1, x2, y2; scores (k,) float32; labels (k,) int64 from 0.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


def in_original(found: Mapping[str, Tensor], fitted: tuple[int, int], original: tuple[int, int]) -> Found:
    """A detector's answer for a picture that it saw at size `fitted`, brought to its `original` size.

    Sizes are width, height. Boxes are cut off at the edges; what is not finite is left out.
    """
    boxes = found["boxes"].float().cpu().numpy().astype(np.float64).reshape(-1, 2, 2)
    scores = found["scores"].float().cpu().numpy()
    room = np.array(original, np.float64)
    boxes = np.clip(boxes * (room / np.array(fitted)), 0, room).reshape(-1, 4)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    order = np.flatnonzero(good)[np.argsort(-scores[good], kind="stable")]
    return Found(
        boxes[order].astype(np.float32),
        scores[order].astype(np.float32),
        found["labels"].cpu().numpy().astype(np.int64)[order],
    )


def found_arrays(found: Sequence[Found], sizes: NDArray[np.integer], settings: Predict) -> dict[str, Any]:
    """What a predictions file holds of boxes found; picture i has rows image_offsets[i] to [i + 1].

    image_offsets (n + 1,) int64, boxes (m, 4) float32, scores (m,) float32, labels (m,) int64, sizes (n, 2)
    int32 width and height, score_floor, nms_iou, max_det.
    """
    none = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    parts = [none, *found]
    return {
        "image_offsets": np.cumsum([0, *(len(part.scores) for part in found)], dtype=np.int64),
        "boxes": np.concatenate([part.boxes for part in parts]),
        "scores": np.concatenate([part.scores for part in parts]),
        "labels": np.concatenate([part.labels for part in parts]),
        "sizes": np.asarray(sizes, np.int32).reshape(-1, 2),
        "score_floor": np.array(settings.score_floor),
        "nms_iou": np.array(settings.nms_iou),
        "max_det": np.array(settings.max_det),
    }


def truth_arrays(boxes: Boxes, *, ignore_difficult: bool) -> dict[str, Any]:
    """What a predictions file holds of the annotated objects, laid out as `found_arrays`.

    gt_offsets, gt_boxes, gt_labels, gt_crowd, gt_difficult (as annotated), gt_area (square pixels), gt_source
    (annotation ids), ignore_difficult (whether difficult ones count neither as found nor as missed) and
    image_ids (n,), the source's own.
    """
    return {
        "gt_offsets": np.asarray(boxes.offsets, np.int64),
        "gt_boxes": np.asarray(boxes.corners, np.float32),
        "gt_labels": np.asarray(boxes.labels, np.int64),
        "gt_crowd": np.asarray(boxes.crowd, np.bool_),
        "gt_difficult": np.asarray(boxes.difficult, np.bool_),
        "gt_area": np.asarray(boxes.area, np.float32),
        "gt_source": np.asarray(boxes.source, np.int64),
        "ignore_difficult": np.array(ignore_difficult),
        "image_ids": np.array(boxes.image_ids, dtype=np.str_),
    }


def precision_metrics(precision: Precision) -> dict[str, float]:
    """COCO's numbers by name, without those that no object of the split has a say in."""
    return {name: value for name, value in precision.summary.items() if value is not None}


def class_rows(precision: Precision, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each class: class, n (objects that count), ap, ap_50, ap_75, recall; None without objects."""
    return [
        {
            "class": name,
            "n": row.objects,
            "ap": row.ap,
            "ap_50": row.ap_50,
            "ap_75": row.ap_75,
            "recall": row.ar_100,
        }
        for name, row in zip(names, precision.per_class, strict=True)
    ]
