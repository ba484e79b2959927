"""The data sets that torchvision keeps in a few files: names, checksums, where they can be fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.data_formats import PUBLISHED_FORMATS


@dataclass(frozen=True)
class Archive:
    """A file to fetch: its name, md5, size in bytes (0: not known) and addresses to try in turn."""

    name: str
    md5: str
    bytes: int
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """One data set. `folder` lies in the data set's root, with `train` and `test` files (images) in it.

    `labels` names the label file of each image file where they are apart, `names` the file of class names
    (else `classes` are the names), `group_names` that of their groups where it is apart. `md5` knows the
    published files, `images` how many each holds. `other` is the same set in other files.
    """

    title: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    md5: Mapping[str, str]
    images: Mapping[str, int]
    archives: tuple[Archive, ...]
    names: str = ""
    keys: tuple[str, str] = ("", "")
    group_keys: tuple[str, str] = ("", "")
    classes: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    group_names: str = ""
    other: Published | None = None

    @property
    def forms(self) -> tuple[Published, ...]:
        """The set in all files that it is published in."""
        return (self, self.other) if self.other is not None else (self,)


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _idx(
    title: str,
    folder: str,
    classes: tuple[str, ...],
    plain: tuple[str, ...],
    packed: tuple[str, ...],
    sizes: tuple[int, ...],
    mirrors: tuple[str, ...],
) -> Published:
    archives = tuple(
        Archive(f"{name}.gz", md5, size, tuple(f"{mirror}{name}.gz" for mirror in mirrors))
        for name, md5, size in zip(_IDX, packed, sizes, strict=True)
    )
    md5 = dict(zip(_IDX, plain, strict=True)) | {archive.name: archive.md5 for archive in archives}
    return Published(
        title,
        folder,
        _IDX[:1],
        _IDX[2:3],
        md5,
        {_IDX[0]: 60_000, _IDX[2]: 10_000},
        archives,
        classes=classes,
        labels={_IDX[0]: _IDX[1], _IDX[2]: _IDX[3]},
    )


def _binary(
    title: str, folder: str, train: tuple[str, ...], test: str, names: str, group_names: str = ""
) -> Published:
    """The "binary version" of a CIFAR set: labels and pixels of a picture in turn."""
    return Published(title, folder, train, (test,), {}, {}, (), names=names, group_names=group_names)


PUBLISHED: dict[str, Published] = {
    "cifar10": Published(
        "CIFAR-10",
        "cifar-10-batches-py",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        ("test_batch",),
        {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
        dict.fromkeys((*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"), 10000),
        (
            Archive(
                "cifar-10-python.tar.gz",
                "c58f30108f718f92721af3b95e74349a",
                170_498_071,
                (f"{_TORONTO}cifar-10-python.tar.gz",),
            ),
        ),
        names="batches.meta",
        keys=("labels", "label_names"),
        other=_binary(
            "CIFAR-10",
            "cifar-10-batches-bin",
            tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
            "test_batch.bin",
            "batches.meta.txt",
        ),
    ),
    "cifar100": Published(
        "CIFAR-100",
        "cifar-100-python",
        ("train",),
        ("test",),
        {
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
        {"train": 50_000, "test": 10_000},
        (
            Archive(
                "cifar-100-python.tar.gz",
                "eb9058c3a382ffc7106e4002c42a8d85",
                169_001_437,
                (f"{_TORONTO}cifar-100-python.tar.gz",),
            ),
        ),
        names="meta",
        keys=("fine_labels", "fine_label_names"),
        group_keys=("coarse_labels", "coarse_label_names"),
        other=_binary(
            "CIFAR-100",
            "cifar-100-binary",
            ("train.bin",),
            "test.bin",
            "fine_label_names.txt",
            "coarse_label_names.txt",
        ),
    ),
    "mnist": _idx(
        "MNIST",
        "MNIST/raw",
        tuple("0123456789"),
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        (9_912_422, 28_881, 1_648_877, 4_542),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashionmnist": _idx(
        "FashionMNIST",
        "FashionMNIST/raw",
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        (26_421_880, 29_515, 4_422_102, 5_148),
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    ),
}
assert tuple(PUBLISHED) == PUBLISHED_FORMATS
