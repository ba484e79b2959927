"""What the pixels say: brightness and sharpness, duplicates, the job that reads them and its records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.analysis.data_reading import read_table
from core.analysis.data_table import DataTable
from core.analysis.duplicates import find_twins
from core.analysis.figures import Figure
from core.analysis.image_job import main, read_images
from core.analysis.image_measures import laplacian_variance, measure_image
from core.analysis.image_records import RECORD, read_records, record_file
from core.analysis.image_stats import records_of
from core.analysis.statistics import Statistics, statistics
from core.config.data_schema import DataConfig


def scene(seed: int, side: tuple[int, int] = (96, 72)) -> Image.Image:
    """A smooth picture unlike those of other seeds."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    picture = small.resize(side, Image.Resampling.BICUBIC)
    noise = rng.normal(0, 6, (side[1], side[0], 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def save(image: Image.Image, file: Path, **how: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **how)
    return file


def all_of(root: Path, **settings: object) -> Statistics:
    table = read_table(DataConfig.model_validate({"root": root, **settings}))
    read_images(table.root, table.paths, threads=1)
    return statistics(table, records_of(table))


def figure(found: Statistics, key: str) -> Figure:
    item = found.find(key)
    assert item is not None, key
    return item


def names(found: Statistics, key: str) -> list[str]:
    return sorted(Path(found.table.paths[row]).stem for row in figure(found, key).rows.tolist())


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Class folders with a train and a val part, and every kind of twin among twelve plain pictures."""
    root = tmp_path / "set"
    for index in range(12):
        folder = root / ("train" if index < 8 else "val") / ("cat" if index % 2 else "dog")
        save(scene(index), folder / f"plain{index}.png")
    first = root / "train" / "dog" / "plain0.png"
    (root / "val" / "dog" / "copy0.png").write_bytes(first.read_bytes())
    (root / "train" / "dog" / "plain2b.png").write_bytes((root / "train" / "dog" / "plain2.png").read_bytes())
    (root / "train" / "cat" / "relabelled4.png").write_bytes(
        (root / "train" / "dog" / "plain4.png").read_bytes()
    )
    save(scene(6), root / "val" / "dog" / "jpeg6.jpg", quality=60)
    save(scene(1).resize((64, 48)), root / "train" / "cat" / "small1.png")
    return root


def test_twins_within_and_across_splits_and_classes_are_found(mixed: Path) -> None:
    found = all_of(mixed)
    assert names(found, "same:all") == ["copy0", "plain0", "plain2", "plain2b", "plain4", "relabelled4"]
    assert names(found, "same:leaks") == ["copy0", "plain0"]
    assert names(found, "same:classes") == ["plain4", "relabelled4"]
    assert names(found, "near:all") == ["jpeg6", "plain1", "plain6", "small1"]
    assert names(found, "near:leaks") == ["jpeg6", "plain6"]
    assert names(found, "near:classes") == []
    problems = found.page("problems")
    assert problems is not None
    assert {"same:leaks", "same:classes", "near:leaks"} <= {bar.key for bar in problems.bars}
    page = found.page("duplicates")
    assert page is not None
    assert {bar.note for bar in page.bars} == {"train", "train and val", "train, cat and dog"}


def test_the_same_image_in_boxed_splits_is_found(tmp_path: Path, box_files: ModuleType) -> None:
    root = box_files.voc(
        tmp_path / "set", {name: [("a", 1, 1, 30, 30)] for name in ("one", "two", "three", "four")}
    )
    pictures = root / "JPEGImages"
    (pictures / "four.png").write_bytes((pictures / "one.png").read_bytes())
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("one\ntwo\n")
    (lists / "val.txt").write_text("three\nfour\n")
    found = all_of(root)
    assert names(found, "same:leaks") == ["four", "one"]


def test_pictures_of_many_colours_in_files_of_many_have_twins_too(
    tmp_path: Path, torchvision_files: ModuleType
) -> None:
    import pickle

    torchvision_files.write_cifar10(tmp_path / "set")
    folder = tmp_path / "set" / "cifar-10-batches-py"
    batches = [
        pickle.loads((folder / name).read_bytes(), encoding="bytes")
        for name in ("data_batch_1", "test_batch")
    ]
    batches[1][b"data"][3] = batches[0][b"data"][5]
    (folder / "test_batch").write_bytes(pickle.dumps(batches[1], protocol=2))
    found = all_of(tmp_path / "set")
    rows = figure(found, "same:leaks").rows.tolist()
    assert [found.table.paths[row] for row in rows] == [
        "cifar-10-batches-py/data_batch_1#00005",
        "cifar-10-batches-py/test_batch#00003",
    ]


def test_a_group_of_a_thousand_copies_is_one_group() -> None:
    records = np.zeros(3000, RECORD)
    rng = np.random.default_rng(0)
    records["content"] = [np.void(index.to_bytes(16, "big")) for index in range(3000)]
    records["hash"] = rng.integers(0, 2**63, (3000, 2), dtype=np.uint64)
    records["thumb"] = rng.integers(0, 255, (3000, 256), dtype=np.uint8)
    for name in ("content", "hash", "thumb"):
        records[name][1000:2000] = records[name][1000]
    # Two that differ by some bits in every band but one, and look alike.
    records["hash"][11] = records["hash"][10] ^ np.array(
        [0x0001_0001_0001_0001, 0x0001_0001_0001_0000], np.uint64
    )
    records["thumb"][11] = records["thumb"][10]
    # One bit more, and they are no longer near.
    records["hash"][21] = records["hash"][20] ^ np.array(
        [0x0001_0001_0001_0001, 0x0001_0001_0001_0001], np.uint64
    )
    records["thumb"][21] = records["thumb"][20]
    found = find_twins(records)
    assert [part.tolist() for part in found.equal] == [list(range(1000, 2000))]
    assert [part.tolist() for part in found.near] == [[10, 11]]


def test_alike_is_more_than_a_like_hash() -> None:
    records = np.zeros(2, RECORD)
    records["content"] = [np.void(bytes([index] * 16)) for index in range(2)]
    records["thumb"] = np.random.default_rng(0).integers(0, 255, (2, 256), dtype=np.uint8)
    assert find_twins(records).near == ()


def test_dark_bright_and_blurred_images_are_told(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for index in range(40):
        save(scene(index), root / "ab"[index % 2] / f"{index}.png")
    save(scene(50).filter(ImageFilter.GaussianBlur(9)), root / "a" / "blurred.png")
    save(Image.new("RGB", (96, 72), (4, 4, 4)), root / "a" / "black.png")
    save(Image.new("RGB", (96, 72), "white"), root / "b" / "white.png")
    found = all_of(root)
    assert names(found, "brightness:dark") == ["black"]
    assert names(found, "brightness:bright") == ["white"]
    assert names(found, "contrast:flat") == ["black", "white"]
    assert names(found, "sharpness:blurred") == ["black", "blurred", "white"]
    assert "black" in names(found, "brightness:..10")


def test_brightness_and_sharpness_are_what_their_formulas_say(tmp_path: Path) -> None:
    image = scene(3, (40, 30))
    save(image, tmp_path / "x.png")
    record = measure_image(tmp_path, "x.png", b"k" * 16)
    grey = np.asarray(image.convert("L"), np.float64)
    assert float(record["brightness"]) == pytest.approx(grey.mean(), abs=1e-3)
    assert float(record["contrast"]) == pytest.approx(grey.std(), abs=1e-3)
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    edges = [(grey[y - 1 : y + 2, x - 1 : x + 2] * kernel).sum() for y in range(1, 29) for x in range(1, 39)]
    assert float(record["sharpness"]) == pytest.approx(np.var(edges), rel=1e-4)
    assert laplacian_variance(np.zeros((2, 9), np.float32)) == 0


# -- the job and its records


def few(root: Path, number: int = 5) -> DataTable:
    for index in range(number):
        save(scene(index), root / "ab"[index % 2] / f"{index}.png")
    return read_table(DataConfig(root=root))


def run_job(table: DataTable, folder: Path, *paths: str) -> int:
    asked = folder / "list.json"
    asked.write_text(json.dumps({"root": str(table.root), "paths": list(paths or table.paths)}))
    return main([str(asked)])


def test_the_job_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    table = few(tmp_path / "set")
    assert run_job(table, tmp_path, *table.paths[:2]) == 0
    known = records_of(table)
    assert (len(known.rows), known.waiting) == (2, 3)
    # A record that was cut off by a kill is written anew.
    with open(record_file(table.root), "ab") as file:
        file.write(b"half a record")
    assert run_job(table, tmp_path) == 0
    assert records_of(table).waiting == 0
    assert len(read_records(table.root)) == 5


def test_only_a_changed_image_is_read_again(tmp_path: Path) -> None:
    table = few(tmp_path / "set")
    run_job(table, tmp_path)
    save(scene(99), tmp_path / "set" / table.paths[0])
    assert records_of(table).waiting == 1
    run_job(table, tmp_path)
    assert len(read_records(table.root)) == 6
    assert records_of(table).waiting == 0


def test_partial_figures_say_what_they_wait_for(tmp_path: Path) -> None:
    table = few(tmp_path / "set")
    run_job(table, tmp_path, *table.paths[:2])
    found = statistics(table, records_of(table))
    page = found.page("brightness")
    assert page is not None
    assert (page.waiting, found.waiting) == (3, 3)
    assert sum(bar.total for bar in page.bars) == 2


def test_an_image_that_breaks_off_in_its_pixels_is_told_and_left_out(
    tmp_path: Path, box_files: ModuleType
) -> None:
    for kind in ("folder", "boxes"):
        root = tmp_path / kind
        if kind == "folder":
            few(root)
            broken = root / "a" / "2.png"
        else:
            box_files.voc(root, {name: [("a", 1, 1, 9, 9)] for name in ("one", "two", "three")})
            broken = root / "JPEGImages" / "two.png"
        data = bytearray(broken.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
        broken.write_bytes(data)
        table = read_table(DataConfig(root=root))
        read_images(table.root, table.paths, threads=1)
        found = statistics(table, records_of(table))
        assert len(found.table) == len(table) - 1, kind
        assert str(broken.relative_to(root)) in figure(found, "unreadable").lines[0]
        if found.table.objects is not None:
            assert figure(found, "class:a").total == 2
            assert set(found.table.objects.image.tolist()) == {0, 1}


def test_headers_of_many_images_come_with_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.analysis.data_reading.HEADERS_AT_ONCE", 3)
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    table = few(tmp_path / "set")
    assert not table.has_headers
    sizes = statistics(table).page("sizes")
    assert sizes is not None
    assert sizes.waiting == 6
    run_job(table, tmp_path)
    found = statistics(table, records_of(table))
    assert figure(found, "size:96x72").total == 5
    assert "a/torn.png" in figure(found, "unreadable").lines[0]


def test_the_job_ends_with_its_parent(tmp_path: Path) -> None:
    table = few(tmp_path / "set", 3)
    read_images(table.root, table.paths, threads=1, parent=os.getppid() + 1)
    assert records_of(table).waiting == 3
    read_images(table.root, table.paths, threads=1, parent=os.getppid())
    assert records_of(table).waiting == 0


def test_the_job_says_in_a_sentence_what_is_wrong(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "core.analysis.image_job", str(tmp_path / "none.json")],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert ended.stderr.strip() == f"{tmp_path / 'none.json'}: there is no such file."
