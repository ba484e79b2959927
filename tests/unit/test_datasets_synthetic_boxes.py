"""Drawn diatoms: the same for a seed, a long tail, boxes that fit what is drawn."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.schema import DataConfig, Synthetic
from core.datasets.check import check_dataset
from core.datasets.open import open_dataset
from core.datasets.outline import outline
from core.datasets.synthetic.diatoms import GENERA, SPECIES, valve
from core.datasets.synthetic.drawn import ensure_synthetic
from core.datasets.synthetic.drawn_boxes import class_names, draw, labels, object_counts
from core.errors import DataError

SMALL = Synthetic(boxes=True, images=40, size=80, groups=3, classes=6, imbalance=5)


def data(root: Path, settings: Synthetic = SMALL) -> DataConfig:
    return DataConfig(format="synthetic", root=root, synthetic=settings, order="frequency")


def test_pictures_have_up_to_most_objects_and_some_have_none() -> None:
    counts = Counter(object_counts(Synthetic(boxes=True, images=1000, size=160)))
    assert counts[0] == 30
    assert set(counts) == {0, 1, 2, 3, 4}
    assert counts[1] > counts[2] > counts[3]
    assert set(object_counts(Synthetic(boxes=True, images=50, size=160, most=1, empty=0))) == {1}


def test_species_have_a_long_tail() -> None:
    settings = Synthetic(boxes=True, images=1000, size=160, groups=4, classes=8, imbalance=20)
    rows = labels(settings)
    assert tuple(map(len, rows)) == object_counts(settings)
    counts = Counter(label for row in rows for label in row)
    assert sorted(counts) == list(range(8))
    assert 15 <= max(counts.values()) / min(counts.values()) <= 25


def test_names_are_species_in_genera() -> None:
    names = class_names(Synthetic(boxes=True, groups=8, classes=24))
    assert len(set(names)) == 24
    assert {name.split()[0] for name in names} == set(GENERA)
    assert {name.split()[1] for name in names} == set(SPECIES)


def test_a_picture_is_that_of_its_seed() -> None:
    (one, where), (same, where_too) = draw(3, [0, 1], SMALL), draw(3, [0, 1], SMALL)
    assert np.array_equal(one, same)
    assert where == where_too
    assert not np.array_equal(one, draw(4, [0, 1], SMALL)[0])
    assert not np.array_equal(one, draw(3, [0, 1], SMALL.model_copy(update={"seed": 1}))[0])
    assert one.shape == (80, 80, 3)
    assert one.dtype == np.uint8


@pytest.mark.parametrize("genus", GENERA)
@pytest.mark.parametrize("species", SPECIES)
def test_boxes_fit_the_valves(genus: str, species: str) -> None:
    rng = np.random.default_rng(0)
    for angle in (0.0, 0.7, 1.6):
        cover, shade = valve(genus, species, 40, angle, rng)
        rows, columns = (np.flatnonzero((cover > 0.5).any(axis=axis)) for axis in (1, 0))
        assert 0 < rows[0] <= rows[-1] < len(cover) - 1
        assert 0 < columns[0] <= columns[-1] < len(cover) - 1
        assert 0 <= shade.min() <= shade.max() <= 1
        assert (shade <= cover + 1e-9).all()


def test_drawn_pictures_are_darker_inside_their_boxes() -> None:
    for index in range(12):
        pixels, placed = draw(index, [index % 6, (index + 1) % 6], SMALL)
        outside = np.ones(pixels.shape[:2], bool)
        for item in placed:
            x1, y1, x2, y2 = (int(value) for value in item.corners)
            assert 0 <= x1 < x2 <= 80
            assert 0 <= y1 < y2 <= 80
            outside[y1:y2, x1:x2] = False
        for item in placed:
            x1, y1, x2, y2 = (int(value) for value in item.corners)
            # Every edge of a box touches the valve.
            assert pixels[y1:y2, x1:x2].min() < np.median(pixels[outside]) - 40


def test_the_set_opens_with_genera_as_groups(tmp_path: Path) -> None:
    root = tmp_path / "drawn"
    before = outline(data(root))
    assert (before.drawn, before.train, before.classes) == (True, 40, class_names(SMALL))
    found = open_dataset(data(root))
    assert found.kind == "detection"
    assert [len(found.splits[split]) for split in ("train", "val", "test")] == [26, 6, 8]
    assert found.groups == tuple(name.split()[0] for name in found.class_names)
    assert found.boxes is not None
    total = sum(len(boxes) for boxes in found.boxes.values())
    assert total == sum(object_counts(SMALL))
    assert sum((np.diff(boxes.offsets) == 0).sum() for boxes in found.boxes.values()) == 1
    assert check_dataset(data(root)).outcome == "ok"
    after = outline(data(root))
    assert (after.drawn, after.train, after.val, after.test) == (False, 26, 6, 8)
    assert open_dataset(data(root)).fingerprint == found.fingerprint


def test_two_drawings_are_the_same(tmp_path: Path) -> None:
    one, other = (open_dataset(data(tmp_path / name)) for name in ("one", "other"))
    assert one.fingerprint == other.fingerprint
    for path in one.splits["train"].paths[:5]:
        here, there = (np.asarray(Image.open(tmp_path / name / path)) for name in ("one", "other"))
        assert np.array_equal(here, there)


def test_drawn_with_other_settings_is_refused(tmp_path: Path) -> None:
    open_dataset(data(tmp_path / "x"))
    with pytest.raises(DataError, match=r"drawn with other settings \(most 4, now 2\)"):
        open_dataset(data(tmp_path / "x", SMALL.model_copy(update={"most": 2})))


def test_sets_drawn_before_there_were_boxes_stay_valid(tmp_path: Path) -> None:
    settings = Synthetic(images=20, classes=2, groups=2, size=16)
    ensure_synthetic(data(tmp_path / "x", settings))
    mark = json.loads((tmp_path / "x/synthetic.json").read_text())
    assert set(mark) == {"drawing", "groups", "classes", "images", "size", "seed", "imbalance"}
    ensure_synthetic(data(tmp_path / "x", settings))
