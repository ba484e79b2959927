"""What the columns of a table of boxes hold: the image, the class, and four numbers or one cell with four.

Common ones: `filename,width,height,class,xmin,ymin,xmax,ymax` (TensorFlow's detection tools, Roboflow), the
same with left, top, width, height; `ImageID,LabelName,XMin,XMax,YMin,YMax` in fractions (Open Images);
`image_id,bbox` with `[x, y, width, height]`; and without names `path,x1,y1,x2,y2,class` (keras-retinanet).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.datasets.images import has_image_suffix
from core.datasets.tables import FILE_COLUMN, LABEL_COLUMN, SPLIT_COLUMN, plain

Four = Literal["xyxy", "xywh", "cxcywh"]
Row = Sequence[str]
_STARTS = (
    ("xmin", "xmax"),
    ("minx", "maxx"),
    ("x1", "x2"),
    ("x0", "x1"),
    ("left", "right"),
    ("xleft", "xright"),
    ("xtl", "xbr"),
    ("xstart", "xend"),
    ("startx", "endx"),
)
_LEFTS = ("x", "xmin", "x1", "x0", "left", "xleft", "xtl", "topleftx", "xtopleft", "xoffset")
_CENTRES = ("xcenter", "xcentre", "centerx", "centrex", "cx", "xc")
_WIDTHS = ("w", "width")  # beside w, width is that of the image
_PACKED = ("bbox", "box", "boundingbox", "bboxes", "xywh", "xyxy")
_CLASS = re.compile(r"object|object_?(class|type|name)|cls|label_?type|category_?(id|name)|name")
_PREFIX = re.compile(r"(bounding_?box|bbox|box|bb)_?(?=.)")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WORDS_DOWN = {
    "left": "top",
    "right": "bottom",
    "width": "height",
    "w": "h",
    "xleft": "ytop",
    "xright": "ybottom",
    "cx": "cy",
    "xc": "yc",
}


@dataclass(frozen=True)
class Columns:
    """Which column of a table holds what; `four` says what the numbers in the columns `box` mean.

    One column in `box` has all four in each cell. `size`: width and height of the image. None: there is no
    such column.
    """

    image: int
    box: tuple[int, ...]
    four: Four
    label: int | None = None
    split: int | None = None
    size: tuple[int, int] | None = None


_BARE = (
    (Columns(0, (1, 2, 3, 4), "xyxy"), 5),
    (Columns(0, (1, 2, 3, 4), "xyxy", 5), 6),  # keras-retinanet
    (Columns(5, (1, 2, 3, 4), "xywh", 0, size=(6, 7)), 8),  # makesense.ai
    (Columns(0, (4, 5, 6, 7), "xyxy", 3, size=(1, 2)), 8),  # xml_to_csv without its first line
)
"""Columns of tables without names, and how many there are."""


def columns_by_name(header: Row, rows: Sequence[Row]) -> Columns | None:
    """The columns of a table with a `header` and, among others, `rows`; None when it is none of boxes."""
    names = [plain(name) for name in header]
    box = _box_columns(names)
    if box is None:
        return None
    four, at = box
    rest = [index for index in range(len(names)) if index not in at]
    image = _image_column(names, rows, rest)
    if image is None:
        return None
    split = next((index for index in rest if SPLIT_COLUMN.fullmatch(names[index])), None)
    rest = [index for index in rest if index not in (image, split)]
    label = _label_column(names, rows, rest)
    width = next((index for index in rest if re.fullmatch(r"(image|img|im)?_?(width|w)", names[index])), None)
    height = next(
        (index for index in rest if re.fullmatch(r"(image|img|im)?_?(height|h)", names[index])), None
    )
    size = (width, height) if width is not None and height is not None else None
    return Columns(image, at, four, label, split, size)


def columns_by_content(rows: Sequence[Row]) -> Columns | None:
    """The columns of a table without names, in an order that tools write; cells of a box may be empty."""
    width = len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        return None
    for columns, needed in _BARE:
        full = [row for row in rows if len(row) == needed and any(row[index] for index in columns.box)]
        numbers = (row[index] for row in full for index in (*columns.box, *(columns.size or ())))
        images = needed == width and all(has_image_suffix(row[columns.image]) for row in rows)
        if full and images and all(map(_NUMBER.fullmatch, numbers)):
            return columns
    return None


def numbers_in(cell: str) -> list[str]:
    """The numbers of a cell with several: `[4, 5, 20, 12]`, `4 5 20 12`."""
    return [word for word in re.split(r"[\s,;\[\](){}]+", cell) if word]


def _box_columns(names: Sequence[str]) -> tuple[Four, tuple[int, ...]] | None:
    at = {name.replace("_", ""): index for index, name in reversed(list(enumerate(names)))}
    own = {
        _PREFIX.sub("", name, count=1).replace("_", ""): i
        for i, name in enumerate(names)
        if _PREFIX.match(name)
    }
    at |= own
    for low, high in _STARTS:
        four = (low, _down(low), high, _down(high))
        if all(name in at for name in four):
            return "xyxy", tuple(at[name] for name in four)
    kinds: tuple[tuple[Four, Sequence[str]], ...] = (("cxcywh", _CENTRES), ("xywh", _LEFTS))
    for kind, firsts in kinds:
        for first in firsts:
            for wide in _WIDTHS:
                four = (first, _down(first), wide, _down(wide))
                if all(name in at for name in four):
                    return kind, tuple(at[name] for name in four)
    packed = next((at[name] for name in _PACKED if name in at), None)
    return ("xyxy" if "xyxy" in at else "xywh", (packed,)) if packed is not None else None


def _down(name: str) -> str:
    """The name of what goes down for the name of what goes across: `xmin`, `ymin`; `left`, `top`."""
    if name in _WORDS_DOWN:
        return _WORDS_DOWN[name]
    return f"y{name[1:]}" if name.startswith("x") else f"{name[:-1]}y"


def _image_column(names: Sequence[str], rows: Sequence[Row], rest: Sequence[int]) -> int | None:
    named = [index for index in rest if FILE_COLUMN.fullmatch(names[index]) or names[index] == "imageid"]
    files = [index for index in rest if rows and all(has_image_suffix(row[index]) for row in rows)]
    both = [index for index in files if index in named]
    return next(iter((*both, *files, *named)), None)


def _label_column(names: Sequence[str], rows: Sequence[Row], rest: Sequence[int]) -> int | None:
    """The column of classes: of several the first with words rather than numbers."""
    named = [index for index in rest if LABEL_COLUMN.fullmatch(names[index]) or names[index] == "labelname"]
    named = named or [index for index in rest if _CLASS.fullmatch(names[index])]
    words = [index for index in named if any(row[index] and not row[index].isdecimal() for row in rows)]
    return next(iter((*words, *named)), None)
