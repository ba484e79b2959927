"""Twenty steps each of small trainings, against the losses that they had when the files were written.

`pytest -n 0 tests/engine/test_golden_curves.py --rewrite-golden` writes `tests/golden/curves/`.
Other processors and other versions of torch round differently, so a curve has a tolerance. With
LABTUI_GOLDEN_EXACT=1 every number and every bit of the weights must be as in the file: for changes of the
code that may not change results, on the machine that wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine import recorder
from core.store.checkpoints import choose
from core.store.paths import RunPaths

GOLDEN = Path(__file__).parents[1] / "golden" / "curves"
STEPS = 20
# Of scores (accuracy, AP and the like) on few images: one that changes sides makes this much.
SCORES = 0.08
CLASSIFIER = """\
data: {{root: {root}}}
model: tinyvgg_a
epochs: 4
batch: 11
learning_rate: 0.02
augment: {{pad_crop: 4, hflip: true}}
seed: 3
device: cpu
threads: 1
"""
DETECTOR = """\
data:
  format: coco
  root: {root}
  train: {{images: train, annotations: train.json}}
  val: {{images: val, annotations: val.json}}
model: fasterrcnn_small
image_size: {{min: 48, max: 64}}
predict: {{score_floor: 0.01}}
epochs: 5
batch: 4
augment: {{hflip: true, vflip: true}}
measure: {{every: 5}}
seed: 3
device: cpu
threads: 1
"""
# name: config, tolerance, overrides. 51 images in batches of 11: 5 steps, 4 times; 13 in 4: 4 steps, 5 times.
# The tolerance of losses and weights is relative, absolute below 1: some ten times what
# ATEN_CPU_CAPABILITY=default and ONEDNN_MAX_CPU_ISA=SSE41 change. Rates are small with Adam, and proposals
# get SGD: else rounding changes signs and choices, and soon everything.
CURVES: dict[str, tuple[str, float, tuple[str, ...]]] = {
    "tinyvgg-sgd": (CLASSIFIER, 1e-5, ("scheduler={name: cosine, warmup: 1}", "optimizer.weight_decay=0.01")),
    "tinyvgg-adamw": (
        CLASSIFIER,
        3e-3,
        (
            "optimizer={name: adamw, weight_decay: 0.01}",
            "learning_rate=0.0003",
            "scheduler={name: onecycle, peak: 0.4}",
            "ema=0.9",
            "clip_norm=1.0",
            "label_smoothing=0.1",
            "augment={color_jitter: {hue: 0.1, brightness: 0.2}}",
        ),
    ),
    "fasterrcnn-sgd": (DETECTOR, 1e-3, ("optimizer={name: sgd, momentum: 0.8}", "learning_rate=0.001")),
    "retinanet-adamw": (
        DETECTOR,
        1e-4,
        (
            "model=retinanet_small",
            "optimizer={name: adamw, weight_decay: 0.01}",
            "learning_rate=0.0003",
            "clip_norm=1.0",
            "scheduler={name: step, every: 2, factor: 0.5}",
            "augment={hflip: true, scale_jitter: [0.8, 1.25]}",
        ),
    ),
}


def curve(run: RunPaths) -> dict[str, Any]:
    """What a run recorded, without times, and sums and a digest of its last weights."""
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    weights = torch.load(choose(run, "last").file, weights_only=True)["model"]
    ordered = [weights[name].contiguous() for name in sorted(weights)]
    flat = torch.cat([tensor.double().flatten() for tensor in ordered])
    return {
        "loss": [row["train/loss"] for row in rows if row["scope"] == "step"],
        "epochs": [
            {name: row[name] for name in sorted(row) if name.startswith(("train/", "val/"))}
            for row in rows
            if row["scope"] == "epoch"
        ],
        "weights": {
            "sum": flat.sum().item(),
            "norm": flat.norm().item(),
            "sha256": hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in ordered)).hexdigest(),
        },
    }


def differences(new: Any, golden: Any, tolerance: float, at: str = "") -> list[str]:
    """Where two trees of numbers differ by more than is tolerated; texts are not compared."""
    if isinstance(golden, dict):
        if new.keys() != golden.keys():
            return [f"{at}: {sorted(new)} instead of {sorted(golden)}"]
        parts = [(f"{at}/{name}", new[name], golden[name]) for name in golden]
    elif isinstance(golden, list):
        if len(new) != len(golden):
            return [f"{at}: {len(new)} values instead of {len(golden)}"]
        parts = [(f"{at}[{index}]", new[index], golden[index]) for index in range(len(golden))]
    else:
        if "epochs" in at and "loss" not in at and "lr" not in at:
            tolerance = SCORES
        near = isinstance(golden, str) or math.isclose(new, golden, rel_tol=tolerance, abs_tol=tolerance)
        return [] if near else [f"{at}: {new!r} instead of {golden!r}"]
    return [line for where, *values in parts for line in differences(values[0], values[1], tolerance, where)]


@pytest.mark.parametrize("name", CURVES)
def test_losses_are_as_they_were(
    name: str, lab: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, tolerance, overrides = CURVES[name]
    pictures = request.getfixturevalue("pictures" if config is CLASSIFIER else "box_pictures")
    # A record after every step, not four a second.
    monkeypatch.setattr(recorder, "_INTERVAL", 0.0)
    new = curve(replace(lab, pictures=pictures, config=config).train(*overrides))
    assert len(new["loss"]) == STEPS
    file = GOLDEN / f"{name}.json"
    if request.config.getoption("--rewrite-golden"):
        file.write_text(json.dumps(new, indent=1) + "\n")
    golden = json.loads(file.read_text())
    if os.environ.get("LABTUI_GOLDEN_EXACT") == "1":
        assert new == golden
    assert not differences(new, golden, tolerance)
