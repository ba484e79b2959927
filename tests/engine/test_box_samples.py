"""Pictures with boxes to look at: the boxes lie on their objects, as they are and after random changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.config.load import apply_overrides, dump, parse_experiment
from core.datasets.open import open_dataset
from core.evaluate.box_samples import colour
from core.evaluate.samples import DRAWS, main, sample, sample_augmented


def experiment_of(box_lab: Any, *overrides: str) -> Any:
    text = box_lab.config.format(root=box_lab.pictures)
    return apply_overrides(parse_experiment(text, Path("/c.yaml")), overrides)


def outline(pixels: Any, label: int) -> Any:
    """Edges of the outlines of a class: (left, top, right, bottom), or nothing."""
    rows, columns = np.nonzero((pixels == colour(label)).all(axis=-1))
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def shape(pixels: Any, channel: int) -> Any:
    """Edges of what has the strong colour of a channel."""
    rest = [other for other in range(3) if other != channel]
    strong = pixels[..., channel].astype(int) - pixels[..., rest].max(axis=-1) > 60
    rows, columns = np.nonzero(strong & (pixels[..., channel] < 250))
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def lies_on(pixels: Any, names: tuple[str, ...]) -> int:
    """Check every class of which there is an outline; returns how many."""
    count = 0
    for label, name in enumerate(names):
        edges, inside = outline(pixels, label), shape(pixels, ("red", "green", "blue").index(name))
        if edges is None or inside is None:
            continue
        count += 1
        assert np.abs(np.subtract(edges, inside)).max() <= 3
    return count


def test_originals(box_lab: Any) -> None:
    experiment = experiment_of(box_lab)
    dataset = open_dataset(experiment.data)
    found = sample(dataset, 100, 0)
    assert found.pixels.shape == (13, 96, 96, 3)
    assert found.columns == 4
    assert set(found.labels) == {-1}
    assert sum(title == "nothing" for title in found.titles) == 2
    assert any(title.endswith(" 1") and "," in title for title in found.titles)
    assert sum(lies_on(picture, dataset.class_names) for picture in found.pixels) >= 10
    empty = [picture for picture, title in zip(found.pixels, found.titles, strict=True) if title == "nothing"]
    assert all(outline(picture, label) is None for picture in empty for label in range(3))


def test_draws(box_lab: Any) -> None:
    experiment = experiment_of(
        box_lab,
        "augment={hflip: true, vflip: true, scale_jitter: [0.7, 1.4], color_jitter: {brightness: 0.1}}",
    )
    dataset = open_dataset(experiment.data)
    found = sample_augmented(experiment, dataset, 6, 1)
    assert found.columns == DRAWS + 1
    assert found.pixels.shape == (6 * (DRAWS + 1), 96, 96, 3)
    assert [bool(title) for title in found.titles] == ([True] + [False] * DRAWS) * 6
    rows = found.pixels.reshape(6, DRAWS + 1, 96, 96, 3)
    assert all(len(np.unique(row, axis=0)) > 2 for row in rows)
    assert sum(lies_on(picture, dataset.class_names) for picture in found.pixels) >= 20


def test_as_its_process_does_it(box_lab: Any, tmp_path: Path) -> None:
    config, out = tmp_path / "dumped.yaml", tmp_path / "out.npz"
    config.write_text(dump(experiment_of(box_lab)))
    assert main([str(config), str(out), "--augmented", "--count", "2"]) == 0
    with np.load(out, allow_pickle=False) as content:
        assert content["pixels"].shape == (2 * (DRAWS + 1), 96, 96, 3)
        assert content["labels"].tolist() == [-1] * 12
