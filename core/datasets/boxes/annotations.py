"""What the readers of annotation formats hand over: images and objects as written, before any repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.config.schema import SplitName

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class RawBox:
    """One object: class name, and x1, y1, x2, y2 in the annotation's pixels, perhaps swapped or outside.

    `area` in square pixels where the file gives one that is not the box's. `source` is the annotation's id,
    0 when there is none. `line` of its file, from 1; 0 unknown. `where` names it for people: `box 3`.
    `mended` says what the reader itself had to change.
    """

    name: str
    corners: Corners
    where: str
    line: int = 0
    difficult: bool = False
    crowd: bool = False
    area: float | None = None
    source: int = 0
    mended: str = ""


@dataclass(frozen=True, slots=True)
class RawImage:
    """One image: its path below the root, and its objects.

    `size` is width and height as the annotation states them, None when it does not. `relative`: coordinates
    are shares of width and height. `file` is the annotation file, for people. `lost` counts the objects that
    are written there but could not be read.
    """

    path: str
    file: str
    id: str
    boxes: tuple[RawBox, ...]
    size: tuple[int, int] | None = None
    relative: bool = False
    lost: int = 0


@dataclass
class RawSplit:
    """All images of one split. `names` are the classes in the file's own order, where the format has one;
    `ids` their ids there, `groups` their supercategories.

    `annotated` files were read in all (for the sentence that none of them has an object). `left_out` are the
    paths of images whose annotations cannot be used, so that nobody knows whether they have objects.
    """

    images: list[RawImage] = field(default_factory=list)
    names: tuple[str, ...] | None = None
    ids: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    annotated: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BoxSource:
    """Where the images of one split and their boxes are; which of them are there depends on the format.

    `images` is a folder, `annotations` a folder (VOC, YOLO) or a file (COCO), `list` names images. `more` are
    further folders or lists of the same split.
    """

    split: SplitName
    images: Path | None = None
    annotations: Path | None = None
    list: Path | None = None
    more: tuple[BoxSource, ...] = ()


@dataclass(frozen=True)
class BoxPlaces:
    """Where the splits of a data set with boxes lie; `root` is what paths are relative to.

    `names`: class names that a file of the data set gives for all splits (YOLO); `keypoints`: how many points
    each box has behind it, and the numbers of each (2 or 3).
    """

    root: Path
    train: BoxSource
    val: BoxSource | None = None
    test: BoxSource | None = None
    val_is_test: bool = False
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    keypoints: tuple[int, int] | None = None

    def sources(self) -> list[BoxSource]:
        """The splits that are there, the test one left out when it is val."""
        test = None if self.val_is_test else self.test
        return [source for source in (self.train, self.val, test) if source is not None]
