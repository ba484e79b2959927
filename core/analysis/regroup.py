"""Predictions with groups in place of classes, to be matched, and their AP taken, anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.analysis.boxes import Ints
from core.analysis.class_groups import group_members
from core.analysis.predictions import BoxPredictions, ClassPredictions


def regrouped(
    source: BoxPredictions | ClassPredictions, words: int
) -> tuple[BoxPredictions | ClassPredictions, Ints]:
    """The same predictions by the first `words` words of class names, and the group (classes,) of each class.

    Boxes and objects get their group as class; probabilities are summed, where only the highest are kept
    those of them.
    """
    members = group_members(source.origin.class_names, words)
    of_class = np.empty(len(source.origin.class_names), np.int64)
    for group, places in enumerate(members.values()):
        of_class[list(places)] = group
    origin = replace(source.origin, class_names=tuple(members))
    if isinstance(source, BoxPredictions):
        return replace(_renumbered(source, of_class), origin=origin, category_ids=()), of_class
    labels = None if source.labels is None else of_class[source.labels]
    return ClassPredictions(origin, labels, _summed(source, of_class, len(members)), None, None, {}), of_class


def _renumbered(source: BoxPredictions, new: Ints) -> BoxPredictions:
    """Boxes and objects with the class `new[c]` in place of c."""
    objects = source.objects
    return replace(
        source,
        found=replace(source.found, classes=new[source.found.classes]),
        objects=None if objects is None else replace(objects, classes=new[objects.classes]),
    )


def in_class_order(
    source: BoxPredictions | ClassPredictions, names: Sequence[str]
) -> BoxPredictions | ClassPredictions:
    """The same predictions with their classes in the order `names`, which are the same names."""
    old = source.origin.class_names
    place = np.array([names.index(name) for name in old], np.int64)
    of_new = np.argsort(place)
    origin = replace(source.origin, class_names=tuple(names))
    if isinstance(source, BoxPredictions):
        ids = tuple(source.category_ids[at] for at in of_new) if source.category_ids else ()
        return replace(_renumbered(source, place), origin=origin, category_ids=ids)
    return ClassPredictions(
        origin,
        None if source.labels is None else place[source.labels],
        None if source.probabilities is None else source.probabilities[:, of_new],
        source.top_probabilities,
        None if source.top_classes is None else place[source.top_classes],
        {},
    )


def _summed(source: ClassPredictions, of_class: Ints, groups: int) -> np.ndarray:
    whole, top = source.probabilities, source.top_probabilities
    images = len(source.origin.paths)
    summed = np.zeros((images, groups), np.float32)
    if whole is not None:
        np.add.at(summed.T, of_class, whole.T)
        return summed
    assert top is not None
    assert source.top_classes is not None
    np.add.at(summed, (np.arange(images)[:, None], of_class[source.top_classes]), top)
    return summed
