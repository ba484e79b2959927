"""Which format a data set has, where the config leaves it to be found."""

from __future__ import annotations

from pathlib import Path

from core.config.schema import DataConfig
from core.datasets.arrays import array_formats
from core.datasets.places import split_folders, subfolders
from core.datasets.published import PUBLISHED
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
    if not found:
        _refuse_packed(data.root)
    return found[0] if found else "folder"


def _refuse_packed(root: Path) -> None:
    """Raise DataError when all there is is the archive of a set that is known."""
    if subfolders(root):
        return
    for name, known in PUBLISHED.items():
        packed = [archive.name for archive in known.archives if (root / archive.name).is_file()]
        if packed and len(known.archives) == 1:
            raise DataError(
                f"{clean(str(root))} holds {packed[0]}, still packed: "
                f"`labtui data add {name} --root {clean(str(root))}` unpacks it."
            )
