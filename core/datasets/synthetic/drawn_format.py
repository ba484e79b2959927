"""The format `synthetic`: drawn once, into class folders or with boxes as a COCO set, then read as that."""

from __future__ import annotations

from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.boxes.read_boxes import Boxed
from core.datasets.check import Check, check_images
from core.datasets.class_folders.folder_format import FolderFormat
from core.datasets.class_images import ClassImages
from core.datasets.dataset import Dataset
from core.datasets.format import Format, format_of
from core.datasets.outline import Outline
from core.datasets.synthetic.drawn import class_names, drawn_already, ensure_synthetic, group_of, settings_of
from core.text import clean


class DrawnFormat:
    """Drawn pictures; what is not drawn yet is as its settings say."""

    def detect(self, path: Path) -> bool:
        """Never: the pictures lie as those of other formats."""
        return False

    def has_boxes(self, data: DataConfig) -> bool:
        return settings_of(data).boxes

    def require(self, data: DataConfig) -> None:
        if drawn_already(data):
            self._lies_as(data).require(data)

    def require_usable(self, data: DataConfig) -> None:
        if drawn_already(data):
            self._lies_as(data).require_usable(data)

    def outline(self, data: DataConfig) -> Outline:
        if drawn_already(data):
            return self._lies_as(data).outline(data)
        settings, val_is_test = settings_of(data), data.val == "test"
        names, where = class_names(settings), clean(str(data.root))
        return Outline(names, settings.images, 0, 0, val_is_test, True, True, where)

    def open(self, data: DataConfig) -> Dataset:
        ensure_synthetic(data)
        return self._lies_as(data).open(data)

    def check(self, data: DataConfig, *, deep: bool = False) -> Check:
        if not self.has_boxes(data):
            return check_images(self.open(data), {}, "synthetic", deep)
        ensure_synthetic(data)
        return self._lies_as(data).check(data, deep=deep)

    def read(self, data: DataConfig) -> Boxed | ClassImages:
        ensure_synthetic(data)
        return self._lies_as(data).read(data)

    def _lies_as(self, data: DataConfig) -> Format:
        """The format that the pictures are drawn in."""
        return format_of("coco") if self.has_boxes(data) else FolderFormat(group_of)


FORMATS: dict[str, Format] = {"synthetic": DrawnFormat()}
