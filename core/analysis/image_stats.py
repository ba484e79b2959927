"""Statistics of a data set that only pixels tell: brightness, contrast, sharpness, duplicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.analysis.data_table import DataTable, Integers, with_headers
from core.analysis.duplicates import find_twins
from core.analysis.figures import Figure, Measure, Page, by_split, linear_edges, log_edges
from core.analysis.image_records import Known, image_keys, look_up
from core.datasets.image_header import Look

DARK, BRIGHT = 25, 230
"""Mean luma below which an image is nearly black, above which nearly white."""
FLAT = 3
"""Contrast below which an image is nearly of one colour."""


def records_of(table: DataTable) -> Known:
    """What is known of the pixels of a table's images so far."""
    return look_up(table.root, image_keys(table.root, table.paths, table.opening))


def with_records(table: DataTable, known: Known) -> tuple[DataTable, Known]:
    """`table` with sizes, modes and faults from the records, and `known` for the rows that are left."""
    looks: list[Look | None] = [None] * len(table)
    bare = table.sizes[:, 0] == 0
    for row, record in zip(known.rows.tolist(), known.records, strict=True):
        fault = bytes(record["fault"]).decode()
        if fault or bare[row]:
            looks[row] = Look(
                size=(int(record["width"]), int(record["height"])),
                mode=bytes(record["mode"]).decode(),
                format=bytes(record["kind"]).decode(),
                fault=fault,
                damage="cut off" if record["damage"] else "",
            )
    found = with_headers(table, looks)
    good = np.array([look is None or not look.fault for look in looks], np.bool_)
    if good.all():
        return found, known
    kept, places = good[known.rows], np.cumsum(good) - 1
    return found, Known(places[known.rows[kept]], known.records[kept], int(good.sum()))


def pixel_pages(table: DataTable, known: Known) -> list[Page]:
    """Pages on the images whose pixels are known."""
    light = _page(table, known, "brightness", "images by brightness, 0 to 255", log=False)
    extremes = (
        ("dark", f"nearly black (below {DARK})", known.records["brightness"] < DARK),
        ("bright", f"nearly white (above {BRIGHT})", known.records["brightness"] > BRIGHT),
    )
    contrast = _page(table, known, "contrast", "images by contrast, 0 to 128", log=False)
    plain = (("flat", f"nearly of one colour (below {FLAT})", known.records["contrast"] < FLAT),)
    blur = _page(table, known, "sharpness", "images by sharpness (variance of the Laplacian)", log=True)
    blurred = Measure(table, "sharpness", known.records["sharpness"].astype(np.float64), known.rows, digits=1)
    low = _low(blurred)
    return [
        replace(light, facts=(*light.facts, *_named(table, known, "brightness", extremes))),
        replace(contrast, facts=(*contrast.facts, *_named(table, known, "contrast", plain))),
        replace(blur, facts=(*blur.facts[:-1], low)),
        duplicate_page(table, known),
    ]


def _page(table: DataTable, known: Known, key: str, title: str, *, log: bool) -> Page:
    values = known.records[key].astype(np.float64)
    measure = Measure(table, key, values, known.rows, digits=1)
    facts = (*measure.typical(), measure.outliers(log=log))
    bars = measure.bars(linear_edges(values))
    logs = measure.bars(log_edges(values)) if log else ()
    return Page(key, title, "images", facts, bars, logs, values=values, at=known.rows, waiting=known.waiting)


def _named(
    table: DataTable, known: Known, key: str, kinds: tuple[tuple[str, str, np.ndarray], ...]
) -> list[Figure]:
    measure = Measure(table, key, known.records[key].astype(np.float64), known.rows, digits=1)
    found = []
    for name, label, chosen in kinds:
        places = np.flatnonzero(chosen)
        figure = measure.figure(name, label, places[np.argsort(measure.values[places], kind="stable")])
        found.append(replace(figure, bad=bool(figure.total)))
    return found


def _low(measure: Measure) -> Figure:
    """Images far less sharp than the others."""
    far = measure.outliers(log=True)
    middle = float(np.median(measure.values)) if len(measure.values) else 0.0
    value = dict(zip(measure.at.tolist(), measure.values.tolist(), strict=True))
    rows = np.array([row for row in far.rows.tolist() if value[row] < middle], np.int64)
    return replace(
        far,
        key="sharpness:blurred",
        label="far less sharp than most",
        rows=rows,
        counts=by_split(measure.table, rows),
    )


# -- duplicates


def duplicate_page(table: DataTable, known: Known) -> Page:
    """Groups of images that are equal or look alike, within splits, across them and across classes."""
    twins = find_twins(known.records)
    exact = [known.rows[part] for part in twins.equal]
    near = [known.rows[part] for part in twins.near]
    facts = [
        *_kinds(table, "same", "the same image", exact),
        *_kinds(table, "near", "look alike", near),
    ]
    bars = [
        *_groups(table, "same", exact),
        *_groups(table, "near", near),
    ]
    notes = ("so many images look alike that not all were compared",) if twins.cut else ()
    return Page(
        "duplicates",
        "duplicate images",
        "images",
        tuple(facts),
        tuple(bars),
        (),
        notes,
        waiting=known.waiting,
    )


def _kinds(table: DataTable, key: str, words: str, groups: list[Integers]) -> list[Figure]:
    """How many images have a twin at all, in another split, under another class."""
    across = [part for part in groups if len(set(table.split[part].tolist())) > 1]
    found = [
        _sum(table, f"{key}:all", f"{words} as another", groups),
        _sum(table, f"{key}:leaks", f"{words} as one of another split", across, bad=True),
    ]
    if table.objects is None:
        mixed = [part for part in groups if len(set(table.labels[part].tolist())) > 1]
        found.append(_sum(table, f"{key}:classes", f"{words} as one of another class", mixed, bad=True))
    return found


def _sum(table: DataTable, key: str, label: str, groups: list[Integers], *, bad: bool = False) -> Figure:
    rows = np.concatenate(groups) if groups else np.zeros(0, np.int64)
    note = f"{len(groups)} group{'s' * (len(groups) != 1)}" if groups else ""
    return Figure(key, label, by_split(table, rows), note=note, rows=rows, bad=bad and bool(groups))


def _groups(table: DataTable, key: str, groups: list[Integers]) -> list[Figure]:
    """A figure for each group, those across classes and splits first."""

    def rank(part: Integers) -> tuple[int, int]:
        return -len(set(table.labels[part].tolist())), -len(set(table.split[part].tolist()))

    found = []
    for number, part in enumerate(sorted(groups, key=rank), 1):
        classes = sorted({table.classes[label] for label in table.labels[part].tolist() if label >= 0})
        splits = [table.splits[index] for index in sorted(set(table.split[part].tolist()))]
        sign = "=" if key == "same" else "≈"
        names = f" {sign} ".join(table.paths[row] for row in part[:2].tolist())
        label = names + (f" and {len(part) - 2} more" if len(part) > 2 else "")
        note = ", ".join([" and ".join(splits), *([" and ".join(classes)] if len(classes) > 1 else [])])
        bad = len(classes) > 1 or len(splits) > 1
        found.append(Figure(f"{key}:{number}", label, by_split(table, part), note=note, rows=part, bad=bad))
    return found
