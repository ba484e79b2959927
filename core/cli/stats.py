"""`labtui data stats`: figures at once, then those that need pixels; lists, markdown and plots of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.image_reading import ImageReader
from core.cli.output import say
from core.errors import UsageError
from core.humanise import count, eta
from core.store.outputs import filled, write_new
from core.text import clean, did_you_mean

if TYPE_CHECKING:
    from core.analysis.data_table import DataTable
    from core.analysis.figures import Figure, Page
    from core.analysis.statistics import Statistics

_TELL_EVERY = 2.0
_LOOK_EVERY = 0.1


def with_pixels(table: DataTable, split: str = "", tell: Callable[[str], None] = say) -> Statistics:
    """All figures of `table`, or of one split; a child reads what is not in the cache, with lines on its way.

    Raises LabError when the child fails.
    """
    from core.analysis.image_stats import records_of
    from core.analysis.statistics import statistics

    known = records_of(table)
    if known.waiting:
        started = told = time.monotonic()
        tell(f"reading {count(known.waiting)} of {count(len(table))} images; Ctrl-C keeps what has been read")
        with ImageReader(table, known.waiting) as reader:
            while not reader.ended(_LOOK_EVERY):
                now = time.monotonic()
                if now - told >= _TELL_EVERY and reader.done:
                    told = now
                    left = (now - started) / reader.done * (reader.total - reader.done)
                    tell(f"{count(reader.done)} of {count(reader.total)} images, {eta(left)} left")
        known = records_of(table)
    return statistics(table, known, split)


def needs_pixels(table: DataTable, key: str) -> bool:
    """Whether the figure or page `key` is known only when the images have been read."""
    from core.analysis.statistics import PIXEL_PAGES

    name = key.partition(":")[0]
    early = table.has_headers or name not in ("sizes", "size", "mode", "format", "modes")
    return (
        name in (*PIXEL_PAGES, "same", "near")
        or not early
        or (name == "unreadable" and not table.has_headers)
    )


def later_pages(first: Statistics, found: Statistics) -> list[Page]:
    """The pages of `found` that say more than `first` did: read pixels, and the problems that they show."""
    told = {item.key: item.total for item in first.figures()}
    later = []
    for page in found.pages:
        before = first.page(page.key)
        if before is None or before.waiting > page.waiting:
            later.append(page)
        elif page.key == "problems":
            new = tuple(item for item in page.bars if told.get(item.key) != item.total)
            later += [replace(page, bars=new, notes=())] if new else []
    return later


def find(found: Statistics, key: str) -> Figure:
    """The figure `key`. Raises UsageError that names the nearest, or all pages."""
    figure = found.find(key)
    if figure is not None:
        return figure
    known = [item.key for item in found.figures()]
    guess = did_you_mean(key, known)
    pages = ", ".join(page.key for page in found.pages)
    raise UsageError(
        f"--list: there is no figure '{clean(key)}'{guess}; `--list PAGE` names those of {pages}"
    )


def listing(found: Statistics, figure: Figure) -> list[dict[str, Any]]:
    """The images of a figure, in its order, with the objects that are meant: one mapping an image."""
    table, objects = found.table, found.table.objects
    meant: dict[int, list[int]] = {}
    if objects is not None:
        for index in figure.objects.tolist():
            meant.setdefault(int(objects.image[index]), []).append(index)
    rows = []
    for row in figure.rows.tolist():
        item: dict[str, Any] = {"image": table.paths[row], "split": table.splits[table.split[row]]}
        if table.labels[row] >= 0:
            item["class"] = table.classes[table.labels[row]]
        width, height = table.sizes[row].tolist()
        if width:
            item |= {"width": width, "height": height}
        if objects is not None:
            item["objects"] = [
                {
                    "class": table.classes[objects.labels[index]],
                    "box": [round(value, 2) for value in objects.corners[index].tolist()],
                }
                for index in meant.get(row, [])
            ]
        rows.append(item)
    return rows


def as_json(found: Statistics) -> dict[str, Any]:
    """The document of `labtui data stats --json`."""
    table = found.table
    splits = table.splits

    def figure(item: Figure) -> dict[str, Any]:
        row: dict[str, Any] = {"key": item.key, "label": item.label}
        if item.value is not None:
            row["value"] = item.value
        elif item.counts:
            row |= {"total": item.total, "by_split": dict(zip(splits, item.counts, strict=True))}
        if item.note:
            row["note"] = item.note
        if item.lines:
            row["lines"] = list(item.lines)
        return row | {"images": len(item.rows)}

    pages = []
    for page in found.pages:
        bars = {"bars": [figure(item) for item in page.bars], "log_bars": [figure(i) for i in page.log_bars]}
        facts = {"facts": [figure(item) for item in page.facts]}
        pages.append(
            {"key": page.key, "title": page.title, "unit": page.unit, "waiting": page.waiting} | facts | bars
        )
    return {
        "format": table.format,
        "root": str(table.root),
        "images": len(table),
        "objects": int((~table.objects.crowd).sum()) if table.objects is not None else None,
        "classes": list(table.classes),
        "splits": {split: int((table.split == number).sum()) for number, split in enumerate(splits)},
        "unreadable": [{"file": f.path, "split": f.split, "text": f.reason} for f in table.faults],
        "problems": list(table.problems),
        "notes": list(table.notes),
        "waiting": found.waiting,
        "pages": pages,
    }


def write_folder(found: Statistics, folder: Path) -> list[Path]:
    """Write stats.md and every plot as PNG and SVG into `folder`, which is made; returns the files.

    Raises UsageError when one of them is there already or matplotlib is not installed, OSError.
    """
    from core.cli.stats_plots import plot_names, require_matplotlib, write_plots
    from core.cli.stats_text import markdown

    require_matplotlib()
    names = plot_names(found)
    files = [folder / f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    page = folder / "stats.md"
    there = next((file for file in (page, *files) if file.exists()), None)
    if there is not None:
        raise UsageError(f"--plots: {clean(str(there))} already exists: give another folder")
    with filled(folder):
        write_plots(found, folder)
        write_new(page, markdown(found, names))
    return [page, *files]
