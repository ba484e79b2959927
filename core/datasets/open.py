"""From a config's `data` to an opened data set, with everything that is wrong with it said."""

from __future__ import annotations

from core.config.schema import DataConfig, Experiment
from core.datasets.dataset import Dataset, with_origin
from core.datasets.format import data_format, format_of, has_boxes
from core.errors import DataError
from core.text import clean


def open_dataset(data: DataConfig) -> Dataset:
    """List the images of `data`, after drawing them when the format is synthetic.

    Images that cannot be read are left out with a note. Raises DataError: a folder is missing (with the path
    tried), no class folders, only one class, a training class without images, a class only outside train,
    folders that can be read in two ways; for boxes nothing that can be read, no object in any file.
    """
    origin = None
    if data.kaggle is not None:
        from core.datasets.kaggle import fetched

        data, origin = fetched(data)
    return with_origin(format_of(data_format(data)).open(data), origin)


def require_root(data: DataConfig) -> None:
    """The quick part of `open_dataset`: raise DataError when its folders or classes are not there.

    Lists folders but no images. A set that is still to be drawn, or to be got from Kaggle, is fine.
    """
    if data.kaggle is not None:
        from core.datasets.kaggle import require_kaggle

        require_kaggle(data.kaggle)
        return
    format_of(data_format(data)).require(data)


def require_data(experiment: Experiment) -> None:
    """`require_root` of the experiment's data, and that they are of the kind that its model learns from.

    Raises DataError, also when no image or no object can be used to train or to validate; a set that is still
    to be drawn, or to be got from Kaggle, is fine.
    """
    data = experiment.data
    require_root(data)
    if data.kaggle is not None:
        return
    boxes = has_boxes(data)
    shown = clean(str(data.root or experiment.model))
    if experiment.is_detector and not boxes:
        raise DataError(
            f"{shown} has no boxes, but {experiment.model} is a detector: use a classifier for it."
        )
    if boxes and not experiment.is_detector:
        raise DataError(
            f"{shown} has boxes, but {experiment.model} classifies whole images: use a detector, as "
            "model: fasterrcnn."
        )
    format_of(data_format(data)).require_usable(data)
