"""What the data screen knows: figures by split, the job that reads pixels, rows for its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from core.errors import LabError
from core.text import clean
from tui.widgets.figure_table import ImageRow

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.analysis.data_table import DataTable
    from core.analysis.figures import Figure, Page
    from core.analysis.statistics import Statistics
    from core.config.data_schema import DataConfig
    from tui.widgets.picture_boxes import BoxOutline

_MOST_IMAGES = 100_000


@dataclass(frozen=True, eq=False)
class Counted:
    """The set as it was read, and its figures for the chosen split."""

    table: DataTable
    statistics: Statistics


def first_look(config: Callable[[], DataConfig]) -> Counted:
    """The set that `config` names, with all figures that are known now. Raises LabError."""
    from core.analysis.data_reading import read_table

    return counted(read_table(config()), "")


def counted(table: DataTable, split: str) -> Counted:
    """The figures of `table` with the pixels that have been read so far."""
    from core.analysis.image_stats import records_of
    from core.analysis.statistics import statistics

    return Counted(table, statistics(table, records_of(table), split))


def image_rows(statistics: Statistics, figure: Figure) -> list[ImageRow]:
    """What stands behind a figure, in its order."""
    table, objects = statistics.table, statistics.table.objects
    rows = [ImageRow(f"line{number}", clean(line), "", None) for number, line in enumerate(figure.lines)]
    meant: dict[int, int] = {}
    if objects is not None:
        for row in objects.image[figure.objects].tolist():
            meant[row] = meant.get(row, 0) + 1
    several = len(table.splits) > 1
    for row in figure.rows[:_MOST_IMAGES].tolist():
        words = [table.splits[table.split[row]]] if several else []
        if table.labels[row] >= 0:
            words.append(table.classes[table.labels[row]])
        if row in meant:
            words.append(f"{meant[row]} box{'es' * (meant[row] != 1)}")
        path = table.paths[row]
        rows.append(ImageRow(str(row), clean(PurePosixPath(path).name), "  ".join(words), row))
    return rows


def outlines_of(statistics: Statistics, row: int, meant: Sequence[int]) -> tuple[BoxOutline, ...]:
    """The boxes of an image; those that are `meant` stand out, all do when none is."""
    import numpy as np

    from tui.widgets.picture_boxes import BoxOutline

    objects = statistics.table.objects
    if objects is None:
        return ()
    chosen = set(meant)
    outlines = []
    for index in np.flatnonzero(objects.image == row).tolist():
        x1, y1, x2, y2 = objects.corners[index].tolist()
        name = statistics.table.classes[objects.labels[index]]
        outlines.append(BoxOutline((x1, y1, x2, y2), name, True, index in chosen or not chosen, str(index)))
    return tuple(outlines)


def picture_of(statistics: Statistics, row: int, least: tuple[int, int]) -> tuple[Image, tuple[int, int]]:
    """An image with at least so many pixels, and its whole size. Raises DataError."""
    from core.datasets.pictures import open_reduced

    table = statistics.table
    return open_reduced(table.root, table.paths[row], least, table.opening)


def bars_of(page: Page, *, log: bool, words: str, by_name: bool) -> list[Figure]:
    """The lines of a page: facts, then bars, those with `words` in them, in the order asked for."""
    bars = list(page.log_bars if log and page.log_bars else page.bars)
    lowered = words.lower().split()
    if lowered:
        bars = [bar for bar in bars if all(word in bar.label.lower() for word in lowered)]
    if page.grid is not None:
        bars = sorted((bar for bar in bars if bar.total), key=lambda bar: -bar.total)
    if by_name:
        bars.sort(key=lambda bar: bar.label)
    facts = [] if lowered else [item for item in page.facts if item.text or item.total or item.bad]
    return [*facts, *bars]


def opened(
    statistics: Statistics, image: ImageRow, least: tuple[int, int]
) -> tuple[ImageRow, Image | None, tuple[int, int], str]:
    """A row with its picture and (width, height), or with the sentence why it cannot be shown."""
    assert image.row is not None
    try:
        picture, size = picture_of(statistics, image.row, least)
    except LabError as error:
        width, height = statistics.table.sizes[image.row].tolist()
        return image, None, (width or 64, height or 64), str(error)
    return image, picture, size, ""
