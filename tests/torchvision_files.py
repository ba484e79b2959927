"""Small data sets in the formats of torchvision's files, for tests."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def pixels(count: int, seed: int = 0, *, channels: int = 3, side: int = 32) -> NDArray[np.uint8]:
    """Noise (count, side, side, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def python2_pickle(value: Any) -> bytes:
    """`value` as Python 2 wrote it, in protocol 2: text is bytes, arrays are of numpy 1."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(key) + _python2(item) for key, item in value.items()) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, str):
        return b"U" + struct.pack("<B", len(value)) + value.encode()
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    array: NDArray[np.uint8] = value
    raw = array.tobytes()
    shape = b"(" + b"".join(map(_python2, array.shape)) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return made + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"


def cifar_batch(images: NDArray[np.uint8], **labels: list[int]) -> dict[str, Any]:
    """The content of a batch: rows of 1024 red, 1024 green, 1024 blue values."""
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    return {"batch_label": "a batch", "data": rows, **labels, "filenames": ["x.png"] * len(images)}


def write_cifar10(root: Path, per_batch: int = 20, classes: int = 10) -> tuple[NDArray[np.uint8], list[int]]:
    """CIFAR-10 with `per_batch` pictures in each of its six files; returns pixels and labels of train."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = {"label_names": list(CIFAR10[:classes]), "num_cases_per_batch": per_batch}
    (folder / "batches.meta").write_bytes(python2_pickle(names))
    everything, labels = [], []
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        images = pixels(per_batch, number)
        own = [(number + index) % classes for index in range(per_batch)]
        (folder / name).write_bytes(python2_pickle(cifar_batch(images, labels=own)))
        if name != "test_batch":
            everything.append(images)
            labels += own
    return np.concatenate(everything), labels


def write_cifar100(root: Path, train: int = 60, test: int = 12) -> None:
    """CIFAR-100 with 6 fine classes in 3 coarse ones."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    fine = ["apple", "aquarium_fish", "baby", "bear", "beaver", "bed"]
    coarse = ["fruit", "fish", "people"]
    meta = {"fine_label_names": fine, "coarse_label_names": coarse}
    (folder / "meta").write_bytes(python2_pickle(meta))
    for name, count in (("train", train), ("test", test)):
        own = [index % 6 for index in range(count)]
        batch = cifar_batch(pixels(count, 9), fine_labels=own, coarse_labels=[label % 3 for label in own])
        (folder / name).write_bytes(python2_pickle(batch))


def idx(array: NDArray[np.uint8]) -> bytes:
    """An idx file of bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def write_idx(folder: Path, train: int = 40, test: int = 10, *, packed: bool = False) -> NDArray[np.uint8]:
    """The four files of MNIST or FashionMNIST; returns the training pixels (n, 28, 28)."""
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("t10k", test)):
        images = pixels(count, 3, channels=1, side=28)[..., 0]
        labels = np.arange(count, dtype=np.uint8) % 10
        for stem, content in ((f"{name}-images-idx3", images), (f"{name}-labels-idx1", labels)):
            data = idx(content)
            path = folder / f"{stem}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data) if packed else data)
    return pixels(train, 3, channels=1, side=28)[..., 0]
