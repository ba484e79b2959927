"""Objects and boxes side by side, with what every threshold needs of them computed once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from functools import cached_property

import numpy as np

from core.analysis.box_matching import Matcher, Ranking
from core.analysis.boxes import Detections, Ints, Objects, image_of
from core.analysis.coco_ap import Precision, average_precision
from core.analysis.overlaps import Overlaps, overlaps

_MATCHERS = 4


class Scene:
    """`found` are the boxes that take part; `index` (n,) says where each stands among all stored ones."""

    def __init__(
        self,
        objects: Objects,
        found: Detections,
        classes: int,
        *,
        index: Ints | None = None,
        pairs: Overlaps | None = None,
    ) -> None:
        self.objects = objects
        self.found = found
        self.classes = classes
        self.index = np.arange(len(found.scores)) if index is None else index
        self._pairs = pairs
        self._matchers: OrderedDict[float, Matcher] = OrderedDict()

    @property
    def pairs(self) -> Overlaps:
        """Overlapping boxes and objects, computed at the first call."""
        if self._pairs is None:
            self._pairs = overlaps(self.objects, self.found)
        return self._pairs

    def matcher(self, iou: float) -> Matcher:
        """The matcher at an IoU threshold; the last few are kept."""
        found = self._matchers.get(iou)
        if found is None:
            found = self._matchers[iou] = Matcher(self.objects, self.found, self.pairs, iou, self.ranking)
            while len(self._matchers) > _MATCHERS:
                self._matchers.popitem(last=False)
        self._matchers.move_to_end(iou)
        return found

    @cached_property
    def ranking(self) -> Ranking:
        return Ranking(self.objects, self.found, self.pairs)

    @cached_property
    def image_of_box(self) -> Ints:
        return image_of(self.found.offsets)

    @cached_property
    def image_of_object(self) -> Ints:
        return image_of(self.objects.offsets)

    @cached_property
    def objects_in_image(self) -> Ints:
        """Objects (images,) that count: neither crowd nor ignored."""
        normal = ~self.objects.crowd & ~self.objects.ignore
        return np.bincount(self.image_of_object[normal], minlength=self.objects.images).astype(np.int64)

    @cached_property
    def objects_of_class(self) -> Ints:
        """Objects (classes,) that count."""
        normal = ~self.objects.crowd & ~self.objects.ignore
        return np.bincount(self.objects.classes[normal], minlength=self.classes).astype(np.int64)

    @cached_property
    def precision(self) -> Precision:
        """COCO's numbers of all boxes, whatever the score threshold."""
        return average_precision(self.objects, self.found, self.classes)

    def relabelled(self, of_class: Ints, classes: int) -> Scene:
        """The scene with class `of_class[c]` in place of c; overlaps stay as they are."""
        objects = replace(self.objects, classes=of_class[self.objects.classes])
        found = replace(self.found, classes=of_class[self.found.classes])
        pairs = self.pairs
        same = found.classes[pairs.prediction] == objects.classes[pairs.object]
        return Scene(objects, found, classes, index=self.index, pairs=replace(pairs, same=same))

    def without(self, kept: Ints) -> Scene:
        """The scene with only the boxes `kept` (k,), rising places in `found`."""
        found, pairs = self.found, self.pairs
        place = np.full(len(found.scores), -1, np.int64)
        place[kept] = np.arange(len(kept))
        inside = place[pairs.prediction] >= 0
        counts = np.bincount(self.image_of_box[kept], minlength=found.images)
        return Scene(
            self.objects,
            replace(
                found,
                offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
                boxes=found.boxes[kept],
                classes=found.classes[kept],
                scores=found.scores[kept],
            ),
            self.classes,
            index=self.index[kept],
            pairs=Overlaps(
                place[pairs.prediction[inside]], pairs.object[inside], pairs.iou[inside], pairs.same[inside]
            ),
        )
