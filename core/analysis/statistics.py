"""All figures of a data set: the pages, problems first, and each figure by its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.analysis.data_table import DataTable, of_split
from core.analysis.dataset_stats import count_pages
from core.analysis.figures import Figure, Measure, Page, by_split, parse_range
from core.analysis.image_records import Known
from core.analysis.image_stats import pixel_pages, with_records
from core.humanise import count

PIXEL_PAGES = ("brightness", "contrast", "sharpness", "duplicates")
"""Pages that need the pixels of the images."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """The pages of a data set. `waiting`: so many images have not been read for those that need pixels."""

    table: DataTable
    pages: tuple[Page, ...]
    waiting: int

    def page(self, key: str) -> Page | None:
        """The page of this key."""
        return next((page for page in self.pages if page.key == key), None)

    def figures(self) -> Iterator[Figure]:
        """Every number."""
        for page in self.pages:
            yield from page.figures()

    def find(self, key: str) -> Figure | None:
        """The figure `key`: one of a page, or any range of what a page counts, as `area:1000..5000`."""
        found = next((figure for figure in self.figures() if figure.key == key), None)
        if found is not None:
            return found
        name, _, words = key.partition(":")
        page, bounds = self.page(name), parse_range(words)
        if page is None or bounds is None or page.values is None or page.at is None:
            return None
        measure = Measure(self.table, name, page.values, page.at, page.which)
        return measure.figure(words, f"{page.title}: {words}", measure.within(*bounds))


def statistics(table: DataTable, known: Known | None = None, split: str = "") -> Statistics:
    """The figures of `table`, or of one split of it; with `known`, also of the pixels that have been read."""
    if known is not None:
        table, known = with_records(table, known)
    if split:
        good = table.split == table.splits.index(split)
        table = of_split(table, split)
        if known is not None:
            there = good[known.rows]
            places = np.cumsum(good) - 1
            known = Known(places[known.rows[there]], known.records[there], len(table))
    pages = count_pages(table)
    if known is not None:
        pages += pixel_pages(table, known)
    waiting = len(table) if known is None else known.waiting
    return Statistics(table, (_problems(table, pages), *pages), waiting)


def headline(found: Statistics) -> str:
    """`2 197 images  3 027 objects  68 classes  13 without objects`."""
    table = found.table
    parts = [_counted(len(table), "image")]
    if table.objects is not None:
        parts.append(_counted(int((~table.objects.crowd).sum()), "object"))
    parts.append(_counted(len(table.classes), "class", "classes"))
    empty = found.find("objects:none")
    if empty is not None and empty.total:
        parts.append(f"{count(empty.total)} without objects")
    if table.faults:
        parts.append(f"{count(len(table.faults))} unreadable")
    return "  ".join(parts)


def _counted(number: int, thing: str, plural: str = "") -> str:
    return f"{count(number)} {thing if number == 1 else plural or thing + 's'}"


def _problems(table: DataTable, pages: list[Page]) -> Page:
    """What is wrong or odd, each with its images."""
    found = [
        Figure(f"problem:{number}", "cannot be trained on", text="!", note=text, lines=(text,), bad=True)
        for number, text in enumerate(table.problems, 1)
    ]
    if table.faults:
        splits = [fault.split for fault in table.faults]
        counts = tuple(splits.count(split) for split in table.splits)
        lines = tuple(f"{fault.path}: {fault.reason}" for fault in table.faults)
        found.append(Figure("unreadable", "cannot be used, left out", counts, lines=lines, bad=True))
    if len(table.damaged):
        counts = by_split(table, table.damaged)
        found.append(Figure("damaged", "cut off, the rest is grey", counts, rows=table.damaged, bad=True))
    for page in pages:
        for figure in page.figures():
            odd = figure.bad or page.key == "boxes" or figure.key == "objects:none"
            if odd and (figure.total or figure.value) and not _is_group(figure.key):
                found.append(replace(figure, bad=True) if page.key == "boxes" else figure)
    many = np.unique(table.modes[table.modes != ""])
    if len(many) > 1:
        rows = np.flatnonzero(table.modes != "")
        found.append(
            Figure("modes", "modes differ", text=", ".join(many.tolist()), rows=rows.astype(np.int64))
        )
    return Page("problems", "problems and unusual values", "images", bars=tuple(found), notes=table.notes)


def _is_group(key: str) -> bool:
    """Whether a figure is a single group of duplicates, which their page lists."""
    return key.startswith(("same:", "near:")) and key.partition(":")[2].isdigit()
