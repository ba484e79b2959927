"""What a data set comes to, told without opening an image."""

from __future__ import annotations

from dataclasses import dataclass

from core.config.schema import DataConfig
from core.datasets.format import data_format, format_of
from core.errors import DataError
from core.text import clean


@dataclass(frozen=True)
class Outline:
    """Classes and images of each split, as far as names and labels tell; unreadable images are counted too.

    `held_out`: validation is taken from the training images. `drawn`: the pictures are still to be drawn,
    and the counts are those asked for. `where` is the folder, for people.
    """

    classes: tuple[str, ...]
    train: int
    val: int
    test: int
    val_is_test: bool
    held_out: bool
    drawn: bool
    where: str
    objects: int | None = None
    """Objects in the training images, those held out included, for data with boxes."""


def outline(data: DataConfig) -> Outline:
    """What `data` comes to. Raises DataError as `require_root` does, and for a set still to be fetched."""
    if data.kaggle is not None:
        data = _from_kaggle(data)
    return format_of(data_format(data)).outline(data)


def _from_kaggle(data: DataConfig) -> DataConfig:
    from core.datasets.kaggle import newest_fetched

    assert data.kaggle is not None
    folder = newest_fetched(data.kaggle)
    if folder is None:
        raise DataError(f"{clean(data.kaggle)} is downloaded from Kaggle when training starts.")
    return data.model_copy(update={"root": folder, "kaggle": None})
