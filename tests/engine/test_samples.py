"""Pictures to look at are those that training sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.load import dump, parse_experiment
from core.datasets.open import open_dataset
from core.evaluate.samples import DRAWS, main, sample, sample_augmented


def make_config(pictures: Path, tmp_path: Path, augment: str = "{}") -> Path:
    path = tmp_path / "dumped.yaml"
    text = f"data: {{root: {pictures}}}\nmodel: tinyvgg_a\naugment: {augment}\n"
    path.write_text(dump(parse_experiment(text, path)))
    return path


def load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


def test_a_grid_of_training_pictures_with_their_classes(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    assert main([str(make_config(pictures, tmp_path)), str(out), "--count", "10", "--seed", "3"]) == 0
    found = load(out)
    assert found["pixels"].shape == (10, 32, 32, 3)
    assert found["pixels"].dtype == np.uint8
    assert found["columns"] == 4
    there = {
        np.asarray(Image.open(path)).tobytes(): path.parent.name for path in pictures.glob("train/*/*.png")
    }
    assert [there[pixels.tobytes()] for pixels in found["pixels"]] == found["titles"].tolist()
    assert len(np.unique(found["pixels"], axis=0)) == 10
    other = tmp_path / "other.npz"
    main([str(make_config(pictures, tmp_path)), str(other), "--count", "10", "--seed", "4"])
    assert not np.array_equal(load(other)["pixels"], found["pixels"])


def test_no_more_pictures_than_there_are(pictures: Path, tmp_path: Path) -> None:
    path = make_config(pictures, tmp_path)
    dataset = open_dataset(parse_experiment(path.read_text(), path).data)
    assert len(sample(dataset, 1000, 0).pixels) == 51


def test_originals_beside_their_draws(pictures: Path, tmp_path: Path) -> None:
    """With padding, crop and flip alone, a draw is a shifted, perhaps mirrored original, to the bit."""
    path = make_config(pictures, tmp_path, "{pad_crop: 4, hflip: true}")
    experiment = parse_experiment(path.read_text(), path)
    found = sample_augmented(experiment, open_dataset(experiment.data), 6, 1)
    assert found.columns == DRAWS + 1
    rows = found.pixels.reshape(6, DRAWS + 1, 32, 32, 3)
    assert found.titles[:: DRAWS + 1] == tuple(f"class{label}" for label in found.labels[:: DRAWS + 1])
    assert set(found.titles[1 : DRAWS + 1]) == {""}
    moves = set()
    for original, *draws in rows:
        padded = np.pad(original, ((4, 4), (4, 4), (0, 0)))
        cuts = {
            (top, left, flip): padded[top : top + 32, left : left + 32][:, :: -1 if flip else 1]
            for top in range(9) for left in range(9) for flip in (0, 1)
        }  # fmt: skip
        for draw in draws:
            fitting = [move for move, cut in cuts.items() if np.array_equal(cut, draw)]
            assert len(fitting) == 1
            moves |= set(fitting)
    assert len(moves) > 20


@pytest.mark.parametrize(
    "augment", ["{}", "{scale: 36}", "{scale: [36, 44], color_jitter: {brightness: 0.2, hue: 0.2}}"]
)
def test_every_augmentation_can_be_looked_at(pictures: Path, tmp_path: Path, augment: str) -> None:
    path = make_config(pictures, tmp_path, augment)
    experiment = parse_experiment(path.read_text(), path)
    found = sample_augmented(experiment, open_dataset(experiment.data), 3, 0, draws=4)
    rows = found.pixels.reshape(3, 5, 32, 32, 3)
    changed = augment != "{}"
    for original, *draws in rows:
        assert all(np.array_equal(original, draw) != changed for draw in draws)


def test_the_child_ends_with_a_sentence(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_config(pictures, tmp_path)
    path.write_text(path.read_text().replace(str(pictures), str(tmp_path / "nowhere")))
    assert main([str(path), str(tmp_path / "out.npz")]) == 3
    said = capsys.readouterr().err
    assert str(tmp_path / "nowhere") in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out.npz").exists()
