"""torchvision's files as they lie on disk: CIFAR pickles and idx files, whole, small, damaged, hostile."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import core.datasets.published.arrays as arrays
from core.config.load import load_experiment
from core.config.schema import DataConfig, Split
from core.config.workspace import Workspace
from core.datasets import pictures
from core.datasets.dataset import Dataset, from_stored, require_unchanged, stored_split
from core.datasets.format import data_format
from core.datasets.open import open_dataset, require_root
from core.datasets.outline import outline
from core.datasets.pictures import is_member, member_file, member_pixels, open_picture
from core.datasets.published.arrays import array_formats
from core.datasets.published.catalogue import PUBLISHED
from core.datasets.published.pickles import read_pickle
from core.errors import ConfigError, DataError


def config(root: Path, name: str = "cifar10", **changes: Any) -> DataConfig:
    return DataConfig.model_validate({"format": name, "root": root, **changes})


def sizes(dataset: Dataset) -> dict[str, int]:
    return {split: len(files) for split, files in dataset.splits.items()}


def refused(data: DataConfig) -> str:
    with pytest.raises(DataError) as caught:
        open_dataset(data)
    return str(caught.value).replace(str(data.root), "ROOT")


# CIFAR


def test_cifar10_as_it_lies_on_disk(tmp_path: Path, torchvision_files: ModuleType) -> None:
    everything, labels = torchvision_files.write_cifar10(tmp_path)
    data = config(tmp_path, val="test")
    dataset = open_dataset(data)
    assert dataset.class_names == torchvision_files.CIFAR10
    assert sizes(dataset) == {"train": 100, "val": 20}
    train = dataset.splits["train"]
    assert train.paths[0] == "cifar-10-batches-py/data_batch_1#00000"
    assert train.paths[42] == "cifar-10-batches-py/data_batch_3#00002"
    assert list(train.labels) == labels
    assert dataset.splits["val"].paths[0] == "cifar-10-batches-py/test_batch#00000"
    read = np.stack(list(member_pixels(tmp_path, train.paths)))
    assert np.array_equal(read, everything)
    assert dataset.notes[-1] == "validation is the test part of CIFAR-10: the best epoch is chosen on it"
    assert dataset.notes[0] == "data_batch_1 is not the published file: 20 pictures"
    require_unchanged(dataset)
    require_root(data)
    assert from_stored(stored_split(dataset)) == dataset


def test_a_part_is_held_out_as_for_folders(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path)
    data = config(tmp_path, split={"ratio": 0.2, "seed": 3})
    dataset = open_dataset(data)
    assert sizes(dataset) == {"train": 80, "val": 20, "test": 20}
    assert dataset.counts("val") == (2,) * 10
    assert dataset.counts("train") == (8,) * 10
    assert not set(dataset.splits["train"].paths) & set(dataset.splits["val"].paths)
    assert list(dataset.splits["train"].paths) == sorted(dataset.splits["train"].paths)
    assert open_dataset(data) == dataset
    other = open_dataset(config(tmp_path, split=Split(ratio=0.2, seed=4)))
    assert other.splits["val"].paths != dataset.splits["val"].paths
    loose = open_dataset(config(tmp_path, split=Split(ratio=0.2, seed=3, stratify=False)))
    assert sizes(loose) == {"train": 80, "val": 20, "test": 20}


def test_classes_are_chosen_and_ordered(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path)
    dataset = open_dataset(config(tmp_path, classes=("dog", "cat"), val="test"))
    assert dataset.class_names == ("dog", "cat")
    assert sizes(dataset) == {"train": 20, "val": 4}
    first = open_dataset(config(tmp_path, val="test")).splits["train"]
    by_path = dict(zip(first.paths, first.labels, strict=True))
    for path, label in zip(
        *(getattr(dataset.splits["train"], name) for name in ("paths", "labels")), strict=True
    ):
        assert by_path[path] == {0: 5, 1: 3}[label]
    with pytest.raises(DataError, match=r"names 'dgo', but CIFAR-10 has no such class \(did you mean 'dog'"):
        open_dataset(config(tmp_path, classes=("dgo", "cat")))


def test_cifar100_has_groups(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar100(tmp_path)
    dataset = open_dataset(config(tmp_path, "cifar100"))
    assert dataset.class_names == ("apple", "aquarium_fish", "baby", "bear", "beaver", "bed")
    assert dataset.groups == ("fruit", "fish", "people", "fruit", "fish", "people")
    assert sizes(dataset) == {"train": 54, "val": 6, "test": 12}
    assert dataset.splits["test"].paths[0] == "cifar-100-python/test#00000"
    chosen = open_dataset(config(tmp_path, "cifar100", classes=("baby", "apple")))
    assert chosen.groups == ("people", "fruit")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_batches_written_by_python_3(tmp_path: Path, torchvision_files: ModuleType, protocol: int) -> None:
    torchvision_files.write_cifar10(tmp_path)
    images = torchvision_files.pixels(5, 77)
    batch = torchvision_files.cifar_batch(images, labels=[0, 1, 2, 3, 4])
    file = tmp_path / "cifar-10-batches-py/data_batch_2"
    file.write_bytes(pickle.dumps(batch, protocol=protocol))
    read = list(member_pixels(tmp_path, [f"cifar-10-batches-py/data_batch_2#{n:05d}" for n in range(5)]))
    assert np.array_equal(np.stack(read), images)
    assert sizes(open_dataset(config(tmp_path, val="test")))["train"] == 85


# idx


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "folder", "first"),
    [("mnist", "MNIST/raw", "0"), ("fashionmnist", "FashionMNIST/raw", "T-shirt/top")],
)
def test_idx_files(
    tmp_path: Path, torchvision_files: ModuleType, name: str, folder: str, first: str, packed: bool
) -> None:
    images = torchvision_files.write_idx(tmp_path / folder, packed=packed)
    dataset = open_dataset(config(tmp_path, name, val="test", order="file"))
    assert dataset.class_names == PUBLISHED[name].classes
    assert dataset.class_names[0] == first
    assert sizes(dataset) == {"train": 40, "val": 10}
    end = "ubyte.gz" if packed else "ubyte"
    assert dataset.splits["train"].paths[7] == f"{folder}/train-images-idx3-{end}#00007"
    assert dataset.splits["train"].labels[:11] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    (read,) = member_pixels(tmp_path, [dataset.splits["train"].paths[7]])
    assert read.shape == (28, 28, 3)
    assert read.flags.c_contiguous
    assert all(np.array_equal(read[..., channel], images[7]) for channel in range(3))


def test_classes_by_name_when_nothing_is_said(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_idx(tmp_path / "FashionMNIST/raw")
    names = open_dataset(config(tmp_path, "fashionmnist")).class_names
    assert names == tuple(sorted(PUBLISHED["fashionmnist"].classes))


# Where they lie


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py"])
def test_the_root_may_be_the_folder_itself(tmp_path: Path, torchvision_files: ModuleType, below: str) -> None:
    torchvision_files.write_cifar10(tmp_path)
    data = DataConfig(root=tmp_path / below)
    assert data_format(data) == "cifar10"
    assert sizes(open_dataset(data)) == {"train": 90, "val": 10, "test": 20}


@pytest.mark.parametrize("below", ["", "FashionMNIST", "FashionMNIST/raw"])
def test_the_root_may_be_inside(tmp_path: Path, torchvision_files: ModuleType, below: str) -> None:
    torchvision_files.write_idx(tmp_path / "FashionMNIST/raw", packed=True)
    data = DataConfig(root=tmp_path / below)
    assert data_format(data) == "fashionmnist"
    dataset = open_dataset(data)
    assert list(member_pixels(dataset.root, dataset.splits["val"].paths))


def test_any_folder_with_the_files_when_the_format_is_said(
    tmp_path: Path, torchvision_files: ModuleType
) -> None:
    torchvision_files.write_idx(tmp_path / "mine")
    assert array_formats(tmp_path / "mine") == []
    dataset = open_dataset(config(tmp_path / "mine", "mnist"))
    assert dataset.splits["test"].paths[0] == "t10k-images-idx3-ubyte#00000"


def test_two_sets_in_one_folder_are_not_guessed(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path)
    torchvision_files.write_idx(tmp_path / "MNIST/raw")
    said = refused(DataConfig(root=tmp_path))
    assert said == "ROOT holds cifar10 and mnist: say which in data.format, as format: cifar10."
    assert open_dataset(config(tmp_path, "mnist")).class_names == tuple("0123456789")


@pytest.mark.parametrize("below", [".", "none"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "cifar10",
            "ROOT has no cifar-10-batches-py with the files of CIFAR-10: `labtui data add cifar10 "
            "--root ROOT` downloads them, or put cifar-10-python.tar.gz (from "
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz, then `tar -xzf "
            "cifar-10-python.tar.gz`) there.",
        ),
        (
            "mnist",
            "ROOT has no MNIST/raw with the files of MNIST: `labtui data add mnist --root ROOT` "
            "downloads them, or put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
            "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (from "
            "https://ossci-datasets.s3.amazonaws.com/mnist/) there.",
        ),
    ],
)
def test_a_set_that_is_not_there(tmp_path: Path, name: str, said: str, below: str) -> None:
    data = config(tmp_path / below, name)
    assert refused(data) == said
    with pytest.raises(DataError):
        require_root(data)


def test_a_missing_file_is_named(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_4").unlink()
    said = refused(config(tmp_path))
    assert said.startswith(
        "ROOT/cifar-10-batches-py/data_batch_4 is missing: `labtui data add cifar10 --root"
    )


# Damage


def test_the_published_file_must_have_its_checksum(
    tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_files.write_cifar10(tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    known = PUBLISHED["cifar10"]
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in known.md5}
    same = {**vars(known), "md5": md5, "images": dict.fromkeys(known.images, 20)}
    monkeypatch.setitem(arrays.PUBLISHED, "cifar10", type(known)(**same))  # type: ignore[attr-defined]
    assert open_dataset(config(tmp_path, val="test")).notes == (
        "validation is the test part of CIFAR-10: the best epoch is chosen on it",
    )
    content = bytearray((folder / "data_batch_3").read_bytes())
    content[5000] ^= 1
    (folder / "data_batch_3").write_bytes(content)
    assert refused(config(tmp_path)) == (
        "ROOT/cifar-10-batches-py/data_batch_3 is damaged: it has as many pictures as the published file of "
        "CIFAR-10 but another checksum. Remove it and get it again."
    )


def damaged(change: Callable[[bytes], bytes], name: str = "data_batch_1") -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        file = root / "cifar-10-batches-py" / name
        file.write_bytes(change(file.read_bytes()))

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damaged(lambda data: data[: len(data) // 2]), "data_batch_1 is damaged or not a file of CIFAR ("),
        (damaged(lambda _: b""), "data_batch_1: it is empty: get the data set again."),
        (damaged(lambda _: b"<html>404</html>"), "data_batch_1 is damaged or not a file of CIFAR ("),
        (
            damaged(lambda _: pickle.dumps([1, 2])),
            "data_batch_1 is not a file of CIFAR: get the data set again.",
        ),
        (
            damaged(lambda _: pickle.dumps({"labels": [1]})),
            "data_batch_1 holds no pictures of 32 x 32 pixels",
        ),
        (damaged(lambda _: pickle.dumps({"names": []}), "batches.meta"), "batches.meta holds no class names"),
        (
            damaged(lambda _: pickle.dumps({"label_names": ["a", "a"]}), "batches.meta"),
            "batches.meta names a class twice",
        ),
        (
            damaged(lambda _: pickle.dumps({"label_names": ["a", "b"]}), "batches.meta"),
            "data_batch_1 has the label 2, but there are 2 classes",
        ),
    ],
)
def test_damaged_batches(
    tmp_path: Path, torchvision_files: ModuleType, damage: Callable[[Path], None], said: str
) -> None:
    torchvision_files.write_cifar10(tmp_path)
    damage(tmp_path)
    assert refused(config(tmp_path)).startswith(f"ROOT/cifar-10-batches-py/{said}")


def test_pictures_and_labels_must_be_as_many(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_cifar10(tmp_path)
    batch = torchvision_files.cifar_batch(torchvision_files.pixels(3), labels=[0, 1])
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(batch))
    assert refused(config(tmp_path)) == (
        "ROOT/cifar-10-batches-py/test_batch holds 3 pictures but 2 labels: get the data set again."
    )


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:-3], "is cut off or damaged"),
        (lambda data: data + b"x", "is cut off or damaged"),
        (lambda data: data[:10], "is not an idx file of pictures"),
        (lambda data: b"\0\0\x08\x01" + data[4:], "is not an idx file of pictures"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "is not an idx file of pictures"),
    ],
)
def test_damaged_idx_files(
    tmp_path: Path, torchvision_files: ModuleType, change: Callable[[bytes], bytes], said: str, packed: bool
) -> None:
    torchvision_files.write_idx(tmp_path / "MNIST/raw", packed=packed)
    file = tmp_path / f"MNIST/raw/train-images-idx3-ubyte{'.gz' if packed else ''}"
    data = change(gzip.decompress(file.read_bytes()) if packed else file.read_bytes())
    file.write_bytes(gzip.compress(data) if packed else data)
    shown = str(file).replace(str(tmp_path), "ROOT")
    assert refused(config(tmp_path, "mnist")) == f"{shown} {said}: get the data set again."


def test_a_gzip_cut_off(tmp_path: Path, torchvision_files: ModuleType) -> None:
    torchvision_files.write_idx(tmp_path / "MNIST/raw", packed=True)
    file = tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-900])
    assert "it is cut off or damaged. Get the data set again." in refused(config(tmp_path, "mnist"))
    content = bytearray(file.read_bytes())
    content[300:320] = b"\xff" * 20
    file.write_bytes(content)
    assert "train-images-idx3-ubyte.gz" in refused(config(tmp_path, "mnist"))


# Hostile pickles


class _Runs:
    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.made = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], Any]:
        return self.made


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for number, call in enumerate(
        [
            _Runs(os.system, f"touch {mark}"),
            _Runs(eval, f"open({str(mark)!r}, 'w')"),
            _Runs(open, str(mark), "w"),
            _Runs(getattr, os, "system"),
            _Runs(np.load, str(mark)),
            _Runs(np.ones, 3),
            _Runs(np.frombuffer, b"123"),
            _Runs(shutil.rmtree, str(tmp_path)),
        ]
    ):
        for protocol in range(6):
            file = tmp_path / f"{number}-{protocol}"
            try:
                content = pickle.dumps({"data": call}, protocol=protocol)
            except (TypeError, pickle.PicklingError):
                continue
            file.write_bytes(content)
            with pytest.raises(DataError, match=r"asks for .*, which no picture needs: it was not opened"):
                read_pickle(file)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02cnumpy\nndarray\n(K\x05tR.",
        b"\x80\x02cnumpy\ndtype\nU\x01O\x85R.",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01tb.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n.",
        b"\x80\x04\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93.",
        b"\x80\x04\x82\x01.",
        b"\x80\x02Pmine\n.",
        b"\x80\x02" + b"(" * 200_000 + b".",
        b"\x80\x02]q\x00h\x00a" * 2 + b".",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    ],
)
def test_odd_pickles_are_refused_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "batch"
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"^{file} "):
        read_pickle(file)


def test_arrays_of_anything_but_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "batch"
    for array in (np.zeros(3, np.float32), np.array([None]), np.zeros((2, 3), np.uint8, order="F")):
        for protocol in (2, 4, 5):
            file.write_bytes(pickle.dumps({"data": array}, protocol=protocol))
            with pytest.raises(DataError, match=r"array that is not|asks for"):
                read_pickle(file)


def test_a_forged_type_of_array_is_refused(tmp_path: Path, torchvision_files: ModuleType) -> None:
    """numpy itself would take bytes of the file for addresses of objects (`V8` with a field of objects)."""
    content = torchvision_files.python2_pickle({"data": np.zeros((1, 8), np.uint8)})
    objects = b"cnumpy\ndtype\nU\x01OK\x00K\x01\x87R"
    fields = b"(U\x01at}U\x01a(" + objects + b"K\x00tsK\x08K\x01K\x00tb"
    for name in (b"V8", b"O8", b"u8"):
        file = tmp_path / "batch"
        forged = content.replace(b"U\x02u1", b"U\x02" + name).replace(
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", b"(K\x03U\x01|N" + fields
        )
        assert forged != content
        file.write_bytes(forged)
        with pytest.raises(DataError, match="holds an array that is not of bytes: it was not opened"):
            read_pickle(file)


@pytest.mark.parametrize("kind", ["empty", "pipe", "folder", "gone"])
def test_files_of_pictures_are_regular_there_and_not_empty(
    tmp_path: Path, torchvision_files: ModuleType, kind: str
) -> None:
    """Named apart, and a named pipe is not waited for."""
    folder = tmp_path / "MNIST" / "raw"
    torchvision_files.write_idx(folder)
    file = folder / "train-images-idx3-ubyte"
    data = open_dataset(config(tmp_path, "mnist"))
    file.unlink()
    if kind == "empty":
        file.touch()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    said = {"empty": "it is empty", "pipe": "a named pipe", "folder": "a folder", "gone": "is missing"}[kind]
    with pytest.raises(DataError, match=said):
        list(member_pixels(tmp_path, data.splits["train"].paths[:1]))


def test_an_array_larger_than_its_bytes_is_refused(tmp_path: Path, torchvision_files: ModuleType) -> None:
    content = torchvision_files.python2_pickle({"data": np.zeros((2, 3), np.uint8)})
    for shape in (b"(J\x00\x00\x00\x40J\x00\x00\x00\x40t", b"(J\xff\xff\xff\xffJ\xfa\xff\xff\xfft"):
        file = tmp_path / "batch"
        file.write_bytes(content.replace(b"(J\x02\0\0\0J\x03\0\0\0t", shape))
        with pytest.raises(DataError, match="holds an incomplete array: it was not opened"):
            read_pickle(file)


# Changes under a run


@pytest.mark.parametrize("change", ["gone", "longer"])
def test_a_changed_file_is_noticed(tmp_path: Path, torchvision_files: ModuleType, change: str) -> None:
    torchvision_files.write_cifar10(tmp_path)
    dataset = open_dataset(config(tmp_path))
    file = tmp_path / "cifar-10-batches-py/test_batch"
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(DataError) as caught:
        require_unchanged(dataset)
    assert str(caught.value) == (
        f"The data set is not the one that this run started with: {file} is gone or changed. "
        "Put it back, or start a "
        "new run."
    )


# Pictures


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("cifar-10-batches-py/data_batch_1#00042", "cifar-10-batches-py/data_batch_1"),
        ("a#00001#123456", "a#00001"),
        ("train/cat/0.png", None),
        ("train/c#00042.png", None),
        ("train/c#42", None),
    ],
)
def test_members(path: str, file: str | None) -> None:
    assert is_member(path) is (file is not None)
    assert member_file(path) == (file or path)


def test_a_member_is_a_picture(tmp_path: Path, torchvision_files: ModuleType) -> None:
    everything, _ = torchvision_files.write_cifar10(tmp_path)
    image = open_picture(tmp_path, "cifar-10-batches-py/data_batch_2#00003")
    assert (image.mode, image.size) == ("RGB", (32, 32))
    assert np.array_equal(np.asarray(image), everything[23])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "cifar-10-batches-py/data_batch_1#00020",
            "has 20 pictures, but number 20 is needed: restore the file.",
        ),
        ("cifar-10-batches-py/data_batch_7#00000", "is missing: put it back, or start a new run."),
    ],
)
def test_members_that_are_not_there(
    tmp_path: Path, torchvision_files: ModuleType, path: str, said: str
) -> None:
    torchvision_files.write_cifar10(tmp_path)
    with pytest.raises(DataError) as caught:
        open_picture(tmp_path, path)
    assert str(caught.value) == f"{tmp_path}/{member_file(path)} {said}"


def test_files_stay_open_for_the_next_call_and_can_be_let_go(
    tmp_path: Path, torchvision_files: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_files.write_cifar10(tmp_path)
    reads: list[Path] = []
    real = pictures.read_pictures
    monkeypatch.setattr(pictures, "read_pictures", lambda path: (reads.append(path), real(path))[1])
    paths = [f"cifar-10-batches-py/data_batch_{n % 5 + 1}#{n % 20:05d}" for n in range(100)]
    for start in range(0, 100, 10):
        list(member_pixels(tmp_path, paths[start : start + 10]))
    assert len(reads) == 5
    pictures.release()
    list(member_pixels(tmp_path, paths[:1]))
    assert len(reads) == 6
    file = tmp_path / "cifar-10-batches-py/data_batch_1"
    os.utime(file, ns=(1, 1))
    list(member_pixels(tmp_path, paths[:1]))
    assert len(reads) == 7


# The config and the outline


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_splits_of_ones_own_do_not_go_with_these_formats(tmp_path: Path, split: str) -> None:
    (tmp_path / "configs").mkdir()
    file = tmp_path / "configs/a.yaml"
    file.write_text(f"data: {{format: mnist, root: /d, {split}: here}}\nmodel: tinyvgg_a\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(file, workspace=Workspace(tmp_path))
    said = f"data.{split}: `format: mnist` has its own splits: leave data.{split} out"
    assert str(caught.value) == f"{file}:1: {said}"


@pytest.mark.parametrize(
    "changes", [{}, {"val": "test"}, {"classes": ("dog", "cat")}, {"split": Split(ratio=0.3)}]
)
def test_the_outline_says_the_same(
    tmp_path: Path, torchvision_files: ModuleType, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_files.write_cifar10(tmp_path)
    data = config(tmp_path, **changes)
    dataset = open_dataset(data)
    monkeypatch.setattr(arrays, "cifar_pictures", None)
    told = outline(data)
    assert told.classes == dataset.class_names
    counts = {"train": told.train, "val": told.val, "test": told.test}
    assert {split: count for split, count in counts.items() if count} == sizes(dataset)
    assert told.val_is_test is (data.val == "test")
    assert told.held_out is (data.val is None)
