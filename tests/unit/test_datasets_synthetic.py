"""Drawn picture sets: deterministic, uneven, made once and whole, never over something else."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config.schema import DataConfig, Split, Synthetic
from core.datasets.open import open_dataset, require_root
from core.datasets.synthetic import drawn as module
from core.datasets.synthetic.drawn import class_counts, class_names, ensure_synthetic
from core.datasets.synthetic.shapes import SHAPES, VARIANTS, draw
from core.errors import DataError

SMALL = Synthetic(groups=2, classes=4, images=48, size=16, imbalance=3)


def config(root: Path, drawn: Synthetic = SMALL, **changes: object) -> DataConfig:
    return DataConfig(format="synthetic", root=root, synthetic=drawn).model_copy(update=changes)


def pixels(root: Path) -> dict[str, bytes]:
    files = sorted(path for path in root.rglob("*.png"))
    return {str(path.relative_to(root)): Image.open(path).tobytes() for path in files}


def test_a_set_is_drawn_into_class_folders(tmp_path: Path) -> None:
    dataset = open_dataset(config(tmp_path / "set", split=Split(ratio=0.25)))
    assert dataset.class_names == ("cross thick", "cross thin", "ring thick", "ring thin")
    assert dataset.groups == ("cross", "cross", "ring", "ring")
    totals = [sum(column) for column in zip(*map(dataset.counts, ("train", "val", "test")), strict=True)]
    assert sum(totals) == pytest.approx(48, abs=2)
    assert max(totals) >= 2.5 * min(totals)
    assert all(count for split in ("train", "val", "test") for count in dataset.counts(split))
    image = Image.open(dataset.root / dataset.splits["test"].paths[0])
    assert (image.size, image.mode) == ((16, 16), "RGB")


def test_the_same_settings_give_the_same_pictures(tmp_path: Path) -> None:
    ensure_synthetic(config(tmp_path / "a"))
    ensure_synthetic(config(tmp_path / "b"))
    ensure_synthetic(config(tmp_path / "c", SMALL.model_copy(update={"seed": 1})))
    first = pixels(tmp_path / "a")
    assert pixels(tmp_path / "b") == first
    assert pixels(tmp_path / "c").keys() == first.keys()
    assert pixels(tmp_path / "c") != first
    assert len(set(first.values())) == len(first)


def test_pictures_do_not_change_from_version_to_version() -> None:
    picture = draw("ring", "thin", 16, np.random.default_rng([0, 0, 0]))
    assert picture.shape == (16, 16, 3)
    assert picture.dtype == np.uint8
    # One grey level more or less: sine and cosine may differ in the last bit between machines.
    assert picture[0, 0].tolist() == pytest.approx([93, 71, 81], abs=1)
    assert float(picture.mean()) == pytest.approx(95.97, abs=0.1)


def test_an_existing_set_is_used_again(tmp_path: Path) -> None:
    data = config(tmp_path / "set")
    ensure_synthetic(data)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")}
    assert ensure_synthetic(data) == tmp_path / "set"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")} == before
    require_root(data)


def test_other_settings_are_refused_with_the_way_out(tmp_path: Path) -> None:
    ensure_synthetic(config(tmp_path / "set"))
    other = config(tmp_path / "set", SMALL.model_copy(update={"classes": 3, "seed": 5}))
    for check in (ensure_synthetic, require_root, open_dataset):
        with pytest.raises(DataError) as caught:
            check(other)
        assert str(caught.value) == (
            f"{tmp_path}/set holds pictures drawn with other settings (classes 4, now 3, seed 0, now 5): "
            "remove it or give another data.root."
        )


def test_a_folder_with_something_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="is not empty and was not drawn by labtui"):
        ensure_synthetic(config(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_damaged_mark_is_refused(tmp_path: Path) -> None:
    ensure_synthetic(config(tmp_path / "set"))
    (tmp_path / "set/synthetic.json").write_text("{")
    with pytest.raises(DataError, match="other settings: remove it"):
        ensure_synthetic(config(tmp_path / "set"))


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert open_dataset(config(tmp_path / "set")).class_names


def test_a_set_that_could_not_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> dict[str, object]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_mark", full)
    with pytest.raises(DataError, match="set cannot be made: No space left on device"):
        ensure_synthetic(config(tmp_path / "set"))
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".lock")] == []


def test_many_at_once_draw_one_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []
    real = module._draw_all
    monkeypatch.setattr(
        module, "_draw_all", lambda folder, settings: (drawn.append(folder), real(folder, settings))
    )
    threads = [threading.Thread(target=ensure_synthetic, args=(config(tmp_path / "set"),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1
    assert len(pixels(tmp_path / "set")) == sum(class_counts(SMALL))


def test_a_root_is_needed() -> None:
    with pytest.raises(DataError, match=r"data\.root must be given"):
        open_dataset(DataConfig(format="synthetic"))


@pytest.mark.parametrize(("groups", "classes"), [(1, 2), (4, 8), (8, 24), (5, 7)])
def test_class_names_are_distinct_and_spread_over_the_groups(groups: int, classes: int) -> None:
    names = class_names(Synthetic(groups=groups, classes=classes))
    assert len(set(names)) == classes
    per_group = [sum(name.startswith(f"{shape} ") for name in names) for shape in list(SHAPES)[:groups]]
    assert max(per_group) - min(per_group) <= 1


@pytest.mark.parametrize("imbalance", [1.0, 4.0, 20.0])
def test_counts_are_uneven_as_asked(imbalance: float) -> None:
    counts = class_counts(Synthetic(classes=8, images=4000, imbalance=imbalance))
    assert sum(counts) == pytest.approx(4000, abs=8)
    assert max(counts) / min(counts) == pytest.approx(imbalance, rel=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_variants_of_a_shape_differ_in_ink(shape: str) -> None:
    def ink(variant: str) -> float:
        rng = np.random.default_rng(3)
        pictures = [draw(shape, variant, 32, rng).astype(float) for _ in range(40)]
        corners = [picture[[0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=0) for picture in pictures]
        return float(
            np.mean([np.abs(p - c).max(axis=2) > 45 for p, c in zip(pictures, corners, strict=True)])
        )

    share = {variant: ink(variant) for variant in VARIANTS}
    assert 0.02 < share["thin"] < share["thick"] < 0.6
    assert share["broken"] < share["thick"]
