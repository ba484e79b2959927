"""Statistics that annotations and headers tell: classes, objects, areas, shapes, places, overlaps, sizes."""

from __future__ import annotations

import numpy as np

from core.analysis.data_table import DataTable, Integers, Objects
from core.analysis.figures import (
    Figure,
    Measure,
    Page,
    by_split,
    linear_edges,
    log_edges,
    once,
)
from core.analysis.pairs import equal_pairs
from core.humanise import count

SMALL, MEDIUM = 32**2, 96**2
"""COCO: an object below 32 x 32 square pixels is small, below 96 x 96 medium, else large."""
SAME_PLACE = 0.9
"""IoU from which two boxes of an image lie at the same place."""
NESTED = 0.95
"""Share of a box inside another one from which it is nested in it."""
GRID = (8, 12)
"""Rows and columns that the centres of objects are counted in."""
RATIO_STEPS = (1 / 8, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2, 3, 4, 8)
"""Edges of aspect ratios, the same above 1 as below: 4/5 to 5/4 is about square."""


def count_pages(table: DataTable) -> list[Page]:
    """The pages that no pixel is needed for."""
    found = [_classes(table)]
    if table.objects is not None:
        found += [
            _objects(table, table.objects),
            _area(table, table.objects),
            _share(table, table.objects),
            _ratio(table, table.objects),
            _places(table, table.objects),
            _overlaps(table, table.objects),
        ]
    return [*found, _sizes(table)]


def _counted(objects: Objects) -> Integers:
    """The objects that statistics speak of: all but crowds."""
    return np.flatnonzero(~objects.crowd).astype(np.int64)


# -- classes


def _classes(table: DataTable) -> Page:
    """Objects, or images, of each class, the commonest first."""
    boxed = table.objects
    if boxed is not None:
        which = _counted(boxed)
        labels, at = boxed.labels[which], boxed.image[which]
    else:
        which = np.arange(len(table), dtype=np.int64)
        labels, at = table.labels, which
    unit = "objects" if boxed is not None else "images"
    order = np.argsort(labels, kind="stable")
    cuts = np.searchsorted(labels[order], np.arange(len(table.classes) + 1))
    bars = []
    for index, name in enumerate(table.classes):
        part = order[cuts[index] : cuts[index + 1]]
        counts = by_split(table, at[part])
        absent = [split for split, number in zip(table.splits, counts, strict=True) if not number]
        none = "no objects" if unit == "objects" else "no images"
        note = none if len(absent) == len(counts) else ", ".join(f"not in {split}" for split in absent)
        objects = which[part] if boxed is not None else np.zeros(0, np.int64)
        bars.append(Figure(f"class:{name}", name, counts, note=note, rows=once(at[part]), objects=objects))
    bars.sort(key=lambda bar: (-bar.total, bar.label))
    return Page("classes", f"{unit} by class", unit, tuple(_class_facts(table, bars)), tuple(bars))


def _class_facts(table: DataTable, bars: list[Figure]) -> list[Figure]:
    """How uneven the classes are, and which lack in a split."""
    found = [Figure("classes:number", "classes", text=count(len(bars)), value=len(bars))]
    full = [bar for bar in bars if bar.total]
    if full:
        most, least = full[0], full[-1]
        ratio = most.total / least.total
        text = f"{most.label} has {count(most.total)}, {least.label} {count(least.total)}"
        found.append(
            Figure(
                "classes:imbalance",
                "imbalance, largest to smallest",
                text=f"{ratio:.1f}",
                value=ratio,
                note=text,
                rows=least.rows,
                objects=least.objects,
            )
        )
    for number, split in enumerate(table.splits):
        absent = [bar for bar in bars if not bar.counts[number]]
        if absent:
            names = [bar.label for bar in absent]
            rows = once(np.concatenate([bar.rows for bar in absent]))
            found.append(
                Figure(
                    f"absent:{split}",
                    f"classes not in {split}",
                    text=count(len(absent)),
                    value=len(absent),
                    note=", ".join(names[:4]) + (", ..." if len(names) > 4 else ""),
                    rows=rows,
                    objects=np.concatenate([bar.objects for bar in absent]),
                    lines=tuple(f"{bar.label}: {count(bar.total)} in all" for bar in absent),
                    bad=True,
                )
            )
    return found


# -- objects


def _objects(table: DataTable, objects: Objects) -> Page:
    """Images by how many objects they have."""
    which = _counted(objects)
    numbers = np.bincount(objects.image[which], minlength=len(table)).astype(np.float64)
    measure = Measure(table, "objects", numbers, np.arange(len(table), dtype=np.int64))
    facts = measure.typical()
    facts = [
        _with_text(item, f"{item.value:.2f}" if item.key == "objects:mean" else item.text) for item in facts
    ]
    empty = np.flatnonzero(numbers == 0)
    facts.append(measure.figure("none", "images without objects", empty))
    crowds = np.flatnonzero(objects.crowd)
    if len(crowds):
        rows = objects.image[crowds]
        facts.append(
            Figure("objects:crowd", "crowd regions", by_split(table, rows), rows=once(rows), objects=crowds)
        )
    hard = which[objects.difficult[which]]
    if len(hard):
        rows = objects.image[hard]
        facts.append(
            Figure(
                "objects:difficult", "marked difficult", by_split(table, rows), rows=once(rows), objects=hard
            )
        )
    top = int(numbers.max()) if len(numbers) else 0
    if top <= 30:
        bars = tuple(
            measure.figure(
                f"{number}", f"{number} object{'s' * (number != 1)}", measure.within(number, number + 1)
            )
            for number in range(top + 1)
        )
    else:
        bars = measure.bars(linear_edges(numbers))
    return Page(
        "objects", "images by objects in them", "images", tuple(facts), bars, values=numbers, at=measure.at
    )


def _with_text(figure: Figure, text: str) -> Figure:
    from dataclasses import replace

    return replace(figure, text=text)


def _area(table: DataTable, objects: Objects) -> Page:
    """Width times height of the boxes, in square pixels."""
    which = _counted(objects)
    measure = Measure(table, "area", objects.box_area[which], objects.image[which], which)
    facts = [*measure.typical(), *_coco_sizes(table, objects, which)]
    facts.append(measure.outliers(log=True, groups=objects.labels[which]))
    return _measured("area", "box area, square pixels", measure, facts)


def _coco_sizes(table: DataTable, objects: Objects, which: Integers) -> list[Figure]:
    """Objects by the sizes of COCO, which go by the annotation's own area (of the mask, if it has one)."""
    area = objects.area[which]
    bounds = (
        ("small", "small (COCO, below 32²)", area < SMALL),
        ("medium", "medium (COCO, below 96²)", (area >= SMALL) & (area < MEDIUM)),
        ("large", "large (COCO)", area >= MEDIUM),
    )
    measure = Measure(table, "area", area, objects.image[which], which)
    found = []
    for name, label, chosen in bounds:
        places = np.flatnonzero(chosen)
        found.append(measure.figure(name, label, places[np.argsort(area[places], kind="stable")]))
    return found


def _share(table: DataTable, objects: Objects) -> Page:
    """Areas of the boxes as shares of their images."""
    which = _counted(objects)
    image = objects.image[which]
    whole = table.sizes[image].astype(np.float64).prod(axis=1)
    share = 100 * objects.box_area[which] / np.maximum(whole, 1)
    measure = Measure(table, "share", share, image, which, digits=2)
    return _measured("share", "box area, % of the image", measure, measure.typical())


def _ratio(table: DataTable, objects: Objects) -> Page:
    """Width by height of the boxes."""
    which = _counted(objects)
    sides = objects.sides[which]
    measure = Measure(table, "ratio", sides[:, 0] / sides[:, 1], objects.image[which], which, digits=2)
    facts = [*measure.typical(), measure.outliers(log=True, groups=objects.labels[which])]
    log = (0.0, *RATIO_STEPS, float("inf"))
    names = ("1/8", "1/4", "1/3", "1/2", "2/3", "4/5", "5/4", "3/2", "2", "3", "4", "8")
    labels = (f"below {names[0]}", *map("{} to {}".format, names, names[1:]), f"{names[-1]} and more")
    bars = []
    for low, high, label in zip(log, log[1:], labels, strict=False):
        high_text = "" if high == float("inf") else f"{high:.4g}"
        bars.append(measure.figure(f"{low:.4g}..{high_text}", label, measure.within(low, high)))
    return _measured("ratio", "aspect ratio, width / height", measure, facts, tuple(bars))


def _measured(
    key: str, title: str, measure: Measure, facts: list[Figure], log_bars: tuple[Figure, ...] | None = None
) -> Page:
    return Page(
        key,
        title,
        "objects",
        tuple(facts),
        measure.bars(linear_edges(measure.values)),
        measure.bars(log_edges(measure.values)) if log_bars is None else log_bars,
        values=measure.values,
        at=measure.at,
        of="objects",
        which=measure.objects,
    )


def _places(table: DataTable, objects: Objects) -> Page:
    """Where the centres of the boxes lie: counts on a grid over the images, all brought to one shape."""
    which = _counted(objects)
    image = objects.image[which]
    size = np.maximum(table.sizes[image].astype(np.float64), 1)
    centres = (objects.corners[which, :2] + objects.corners[which, 2:]) / 2 / size
    rows, columns = GRID
    x = np.clip((centres[:, 0] * columns).astype(np.int64), 0, columns - 1)
    y = np.clip((centres[:, 1] * rows).astype(np.int64), 0, rows - 1)
    cell = y * columns + x
    order = np.argsort(cell, kind="stable")
    cuts = np.searchsorted(cell[order], np.arange(rows * columns + 1))
    bars = []
    for index in range(rows * columns):
        part = order[cuts[index] : cuts[index + 1]]
        down, across = divmod(index, columns)
        key, label = f"place:{across + 1},{down + 1}", f"column {across + 1}, row {down + 1}"
        at = image[part]
        bars.append(Figure(key, label, by_split(table, at), rows=once(at), objects=which[part]))
    facts = []
    if len(which):
        for axis, name in enumerate(("across", "down")):
            middle = float(np.median(centres[:, axis]))
            near = np.argsort(np.abs(centres[:, axis] - middle), kind="stable")
            measure = Measure(table, "place", centres[:, axis], image, which, digits=2)
            facts.append(measure.figure(name, f"median {name}, of 0 to 1", near, f"{middle:.2f}", middle))
        corners, edge = objects.corners[which], 1.0
        touch = (corners[:, :2] < edge).any(axis=1) | (corners[:, 2:] > size - edge).any(axis=1)
        facts.append(
            Measure(table, "place", centres[:, 0], image, which).figure(
                "edge", "at the edge", np.flatnonzero(touch)
            )
        )
    return Page("places", "positions of the centres", "objects", tuple(facts), tuple(bars), grid=GRID)


def _overlaps(table: DataTable, objects: Objects) -> Page:
    """Boxes of an image that repeat, lie at the same place or inside another."""
    which = _counted(objects)
    corners, image = objects.corners[which], objects.image[which]
    same, other_class, nested = [], [], []
    for one, other in equal_pairs(image):
        low = np.maximum(corners[one, :2], corners[other, :2])
        high = np.minimum(corners[one, 2:], corners[other, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        areas = [(corners[part, 2:] - corners[part, :2]).prod(axis=1) for part in (one, other)]
        iou = shared / (areas[0] + areas[1] - shared)
        inside = shared / np.minimum(*areas)
        equal = iou >= SAME_PLACE
        labels = objects.labels[which[one]] == objects.labels[which[other]]
        same += _both(one, other, equal & labels)
        other_class += _both(one, other, equal & ~labels)
        nested += _both(one, other, ~equal & (inside >= NESTED))
    kinds = (
        ("same-place", f"at the same position, one class (IoU {SAME_PLACE} and more)", same),
        ("two-classes", "at the same position, two classes", other_class),
        ("nested", f"inside another box ({NESTED:.0%} and more of it)", nested),
    )
    measure = Measure(table, "boxes", np.zeros(len(which)), image, which)
    bars = []
    for name, label, found in kinds:
        # Both boxes of a pair count, each once.
        chosen = np.array(sorted(set(found)), np.int64)
        bars.append(measure.figure(name, label, chosen))
    repeats = np.flatnonzero(objects.repeats)
    counts = np.bincount(table.split, weights=objects.repeats, minlength=len(table.splits)).astype(int)
    exact = Figure(
        "boxes:repeated", "exact copies, left out", tuple(counts.tolist()), rows=repeats.astype(np.int64)
    )
    return Page("boxes", "repeated and nested boxes", "objects", bars=(exact, *bars))


def _both(one: Integers, other: Integers, chosen: np.ndarray) -> list[int]:
    found: list[int] = np.concatenate((one[chosen], other[chosen])).tolist()
    return found


# -- images


def _sizes(table: DataTable) -> Page:
    """Width and height of the images, their modes and formats."""
    known = np.flatnonzero(table.sizes[:, 0] > 0).astype(np.int64)
    sizes = table.sizes[known]
    facts, bars = [], []
    if len(known):
        pixels = sizes.astype(np.float64).prod(axis=1)
        order = np.argsort(pixels, kind="stable")
        for name, label, chosen in (("min", "smallest", order), ("max", "largest", order[::-1])):
            width, height = sizes[chosen[0]].tolist()
            rows = known[chosen]
            facts.append(
                Figure(
                    f"size:{name}",
                    label,
                    text=f"{width} x {height}",
                    value=float(pixels[chosen[0]]),
                    rows=rows,
                )
            )
        pairs, place = np.unique(sizes, axis=0, return_inverse=True)
        for index, (width, height) in enumerate(pairs.tolist()):
            rows = known[place.reshape(-1) == index]
            bars.append(
                Figure(f"size:{width}x{height}", f"{width} x {height}", by_split(table, rows), rows=rows)
            )
        bars.sort(key=lambda bar: (-bar.total, bar.label))
        for kind, words in (("mode", table.modes), ("format", table.kinds)):
            for word in np.unique(words[known]).tolist():
                rows = known[words[known] == word]
                facts.append(Figure(f"{kind}:{word}", f"{kind} {word}", by_split(table, rows), rows=rows))
    return Page(
        "sizes", "images by size", "images", tuple(facts), tuple(bars), waiting=len(table) - len(known)
    )
