"""Which format a data set has, where the config leaves it to be found."""

from __future__ import annotations

from core.config.schema import DataConfig
from core.datasets.arrays import array_formats
from core.datasets.places import split_folders
from core.errors import DataError
from core.text import clean


def data_format(data: DataConfig) -> str:
    """`folder`, `synthetic`, or one of torchvision's sets. Raises DataError when two would do."""
    if data.format != "auto":
        return data.format
    if data.synthetic is not None:
        return "synthetic"
    if data.root is None or data.train is not None or not data.root.is_dir():
        return "folder"
    found: list[str] = list(array_formats(data.root))
    if found and "train" in split_folders(data.root):
        found.append("folder")
    if len(found) > 1:
        raise DataError(
            f"{clean(str(data.root))} holds {' and '.join(found)}: say which in data.format, "
            f"as format: {found[0]}."
        )
    return found[0] if found else "folder"
