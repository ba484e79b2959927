"""The lab's five YAML files as they are shipped: a short epoch each, and what it moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import core.engine.train as train
from core.config.load import dump, load_experiment
from core.config.resolve_defaults import resolve_metric
from core.config.workspace import Workspace, shipped_configs
from core.engine.checkpoint import read_checkpoint
from core.engine.stop import StopFlag
from core.metrics import mode_of
from core.store.attempts import begin_attempt
from core.store.checkpoints import choose
from core.store.files import read_json
from core.store.metrics import read_history
from core.store.paths import RunPaths
from core.store.runs import create_run

FILES = ("fasterrcnn-full", "fasterrcnn-head", "retinanet-full", "retinanet-head", "retinanet-b1e-4-h1e-2")
CELLS = {"RBC": (200, 90, 90), "WBC": (90, 60, 160), "Platelets": (150, 110, 170)}
IMAGES = {"trainval": 5, "test": 1}
# Without weights from the network and small; the frozen stages are those that COCO's weights come with.
SMALL = (
    *("weights=none", "trainable_layers=3", "image_size={min: 96, max: 128}"),
    *("epochs=1", "device=cpu", "threads=1", "predict.score_floor=0.9"),
)
FEWER = {
    "box_batch_size_per_image": 32,
    "rpn_post_nms_top_n_train": 32,
    "rpn_post_nms_top_n_test": 8,
}
OBJECT = """\
<object><name>{}</name><difficult>0</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blood cells laid out like BCCD: Annotations, JPEGImages, and ImageSets of trainval and test."""
    root = tmp_path_factory.mktemp("cells") / "bccd"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    random = np.random.default_rng(3)
    for split, count in IMAGES.items():
        names = [f"BloodImage_{split}_{number:05d}" for number in range(count)]
        (root / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            pixels = random.integers(190, 230, (120, 160, 3))
            objects = ""
            for place, (cell, colour) in enumerate(CELLS.items()):
                x, y = 4 + place * 52, int(random.integers(2, 70))
                pixels[y : y + 40, x : x + 40] = colour
                objects += OBJECT.format(cell, x, y, x + 40, y + 40)
            Image.fromarray(pixels.astype(np.uint8)).save(root / "JPEGImages" / f"{name}.jpg")
            size = "<size><width>160</width><height>120</height><depth>3</depth></size>"
            text = f"<annotation><filename>{name}.jpg</filename>{size}{objects}</annotation>"
            (root / "Annotations" / f"{name}.xml").write_text(text)
    return root


def one_epoch(
    name: str, data: Path, folder: Path, patch: pytest.MonkeyPatch
) -> tuple[RunPaths, dict[str, Any]]:
    """A run of a shipped file, trained here; and its network's state before the first step."""
    shipped = shipped_configs()
    assert shipped is not None
    (folder / "runs").mkdir(parents=True)
    workspace = Workspace(shipped.parent)
    model_args = [f"model_args={FEWER}"] if name.startswith("fasterrcnn") else []
    loaded = load_experiment(name, [*SMALL, *model_args], data=str(data), workspace=workspace)
    experiment = loaded.experiment
    metric = resolve_metric(experiment)
    run = create_run(
        Workspace(folder),
        config_name=loaded.name,
        config_text=dump(experiment),
        model=experiment.model,
        metric=metric,
        metric_mode=mode_of(metric),
        total_epochs=1,
        argv=[],
    )
    before: dict[str, Tensor] = {}
    build = train.build  # type: ignore[attr-defined]

    def built(*given: Any) -> torch.nn.Module:
        model = build(*given)
        before.update({key: value.clone() for key, value in model.state_dict().items()})
        return model

    patch.setattr(train, "build", built)
    number = begin_attempt(run, 1, slot="cpu0", threads=1).number
    assert train.train_run(run, number, StopFlag()) == "finished"
    return run, before


@pytest.mark.some(2)
@pytest.mark.parametrize("name", FILES)
def test_a_short_epoch_moves_what_the_mode_names(
    name: str, cells: Path, tmp_path: Path, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = torch.get_num_threads()
    try:
        run, before = one_epoch(name, cells, tmp_path / "lab", monkeypatch)
    finally:
        torch.set_num_threads(threads)
    content = read_checkpoint(run, choose(run, "last"))
    after = content["model"]
    assert after.keys() == before.keys()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    back = {key for key in before if key.startswith("backbone.")}
    frozen = {key for key in back if key.startswith(("backbone.body.conv1", "backbone.body.bn1"))}
    frozen |= {key for key in back if key.startswith("backbone.body.layer1")}
    weights = {key for key in before if key.endswith("weight")}
    # Of a layer for boxes nothing moves where no anchor fits an object so far.
    heads = {key for key in weights - back if "bbox" not in key}
    assert heads <= moved
    assert not moved & frozen
    if "head" in name:
        assert not moved & back
    else:
        # What the coarsest level of so small an image adds is lost in rounding.
        still = ("bn", "downsample.1", "extra_blocks.p7")
        trained = {key for key in back & weights - frozen if not any(word in key for word in still)}
        assert len(trained) > 40
        assert trained <= moved
    rates = [group["lr"] for group in content["optimizer"]["param_groups"]]
    assert rates == ([1e-4, 1e-2] if name == "retinanet-b1e-4-h1e-2" else [0.005])
    (row,) = read_history(run.metrics).epochs
    assert np.isfinite([row["train/loss"], row["val/loss"]]).all()
    assert row["val/map"] >= 0
    split = read_json(run.split)
    assert split is not None
    assert {part: len(files["paths"]) for part, files in split["splits"].items()} == {
        "train": 4,
        "val": 1,
        "test": 1,
    }
    assert sorted(split["class_names"]) == sorted(CELLS)
