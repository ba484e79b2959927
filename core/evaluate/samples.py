"""Training pictures to look at: `python -P -m core.evaluate.samples CONFIG_FILE OUT.npz [--augmented]`.

CONFIG_FILE is a dumped config. OUT.npz gets `pixels` uint8 (n, height, width, 3), `titles` (n,) with class
names, `labels` (n,) int64 (-1 where boxes have classes) and `columns`, the number of pictures in a row.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.config.load import read_stored
from core.config.resolve_defaults import resolve_normalize
from core.config.schema import Experiment
from core.data.batches import TrainBatches
from core.data.decode import decode_pixels, decode_whole, native_side
from core.data.epoch_rng import generator
from core.data.splits import Loading, as_store, as_whole_store
from core.data.store import Normalisation
from core.datasets.dataset import Dataset
from core.datasets.open import open_dataset
from core.datasets.pictures import open_picture
from core.engine.classification import augmentation_of
from core.errors import LabError
from core.evaluate import box_samples
from core.store.files import write_bytes
from core.store.process import end_with_asker
from core.text import clean

DRAWS = 5
"""Augmented draws beside an original."""
COUNT = 16
_LARGEST = 256


@dataclass(frozen=True)
class Samples:
    """Pictures (n, height, width, 3), row by row, `columns` in a row; a draw has no title of its own."""

    pixels: NDArray[np.uint8]
    titles: tuple[str, ...]
    labels: tuple[int, ...]
    columns: int

    def as_npz(self) -> bytes:
        """The file's content."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            pixels=self.pixels,
            titles=np.array(self.titles, dtype=np.str_),
            labels=np.array(self.labels, dtype=np.int64),
            columns=np.array(self.columns),
        )
        return buffer.getvalue()


def sample(dataset: Dataset, count: int, seed: int) -> Samples:
    """`count` training pictures chosen by `seed`, as large as they are stored, at most 256 pixels.

    Boxes are drawn in; a picture with boxes has the label -1.
    """
    chosen = _choose(dataset, count, seed)
    if dataset.boxes is not None:
        drawn, names = box_samples.originals(dataset, chosen)
        columns = math.ceil(math.sqrt(len(drawn)))
        return Samples(np.stack(drawn), names, (-1,) * len(drawn), columns)
    paths, labels = _listed(dataset, chosen)
    side = min(native_side(dataset.root, paths, dataset.opening), _LARGEST)
    pixels = decode_pixels(dataset.root, paths, side, dataset.opening)[1:-1].numpy()
    titles = tuple(dataset.class_names[label] for label in labels)
    return Samples(pixels, titles, labels, math.ceil(math.sqrt(len(paths))))


def sample_augmented(
    experiment: Experiment, dataset: Dataset, count: int, seed: int, draws: int = DRAWS
) -> Samples:
    """Rows of a training picture and `draws` images that training would make of it, all of image_size.

    Pictures that are no squares stand whole on black where training cuts them at random. The draws take the
    way of training: stored pixels, batches of several epochs, normalised and back. With
    boxes, which are drawn in, the images are as large as those of `sample`.
    """
    chosen = _choose(dataset, count, seed)
    if dataset.boxes is not None:
        plain, names = box_samples.originals(dataset, chosen)
        made = box_samples.draws(experiment, dataset, chosen, seed, draws)
        pixels = np.concatenate((np.stack(plain)[:, None], made), axis=1)
        titles = tuple(word for name in names for word in (name, *[""] * draws))
        return Samples(pixels.reshape(-1, *pixels.shape[2:]), titles, (-1,) * len(titles), draws + 1)
    paths, labels = _listed(dataset, chosen)
    augmentation, size = augmentation_of(experiment), experiment.side
    side = augmentation.stored_side(native_side(dataset.root, dataset.splits["train"].paths, dataset.opening))
    loading = Loading(
        size=size,
        normalisation=Normalisation(*resolve_normalize(experiment)),
        device=torch.device("cpu"),
        threads=1,
        tell=lambda line: None,
        cancelled=lambda: False,
    )
    if augmentation.cuts:
        store = as_whole_store(decode_whole(dataset.root, paths, side, dataset.opening), labels, loading)
    else:
        store = as_store(decode_pixels(dataset.root, paths, side, dataset.opening), labels, loading)
    # Batches of one, as an order of colour changes is drawn for each batch.
    batches = TrainBatches(store, augmentation, batch=1, seed=seed, drop_single=False)
    rows = torch.empty(len(paths), draws + 1, size, size, 3, dtype=torch.uint8)
    if store.shapes is None:
        rows[:, 0] = decode_pixels(dataset.root, paths, size, dataset.opening)[1:-1]
    else:
        rows[:, 0] = torch.from_numpy(np.stack([_fitted(dataset, path, size) for path in paths]))
    for draw in range(1, draws + 1):
        images = torch.cat([batch.images for batch in batches.epoch(draw)])
        rows[batches.draws(draw).order, draw] = store.denormalise(images)
    titles = tuple(word for label in labels for word in (dataset.class_names[label], *[""] * draws))
    repeated = tuple(label for label in labels for _ in range(draws + 1))
    return Samples(rows.flatten(0, 1).numpy(), titles, repeated, draws + 1)


def _fitted(dataset: Dataset, path: str, size: int) -> NDArray[np.uint8]:
    """The whole picture in the middle of a black square (size, size, 3)."""
    picture = open_picture(dataset.root, path, dataset.opening)
    return np.asarray(ImageOps.pad(picture, (size, size), Image.Resampling.BILINEAR))


def main(arguments: Sequence[str]) -> int:
    """Write the pictures of a config; 0, or the exit code of the error whose sentence goes to stderr."""
    parser = argparse.ArgumentParser(prog="core.evaluate.samples", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--augmented", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=COUNT)
    given = parser.parse_args(arguments)
    end_with_asker()
    torch.set_num_threads(1)
    try:
        experiment = read_stored(given.config)
        dataset = open_dataset(experiment.data)
        count = max(1, given.count)
        if given.augmented:
            samples = sample_augmented(experiment, dataset, count, given.seed)
        else:
            samples = sample(dataset, count, given.seed)
        write_bytes(given.out.absolute(), samples.as_npz())
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{clean(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _choose(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Indices of `count` training pictures."""
    images = len(dataset.splits["train"])
    return torch.randperm(images, generator=generator(seed, 0, "samples"))[:count].tolist()


def _listed(dataset: Dataset, chosen: Sequence[int]) -> tuple[list[str], tuple[int, ...]]:
    """Paths and labels of chosen training pictures."""
    files = dataset.splits["train"]
    return [files.paths[index] for index in chosen], tuple(files.labels[index] for index in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
