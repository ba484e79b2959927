"""A resumed run is the uninterrupted run, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.config.optimizers import OPTIMIZERS
from core.config.schedulers import SCHEDULERS
from core.datasets.dataset import FileList, from_stored, make_dataset, stored_split
from core.errors import CheckpointError
from core.store.attempts import begin_attempt, write_exit
from core.store.checkpoints import choose, list_checkpoints
from core.store.files import read_json
from core.store.metrics import MetricsTail, MetricsWriter, read_history
from core.store.paths import RunPaths
from core.store.runs import add_request

Sha = Callable[[Any], str]
Curve = Callable[[RunPaths], list[dict[str, float]]]
# 51 images, batch 8: 7 steps an epoch, the last batch has 3.
STEPS = 7


@pytest.mark.some(3)
@pytest.mark.parametrize("stop_at", [0, 3, 6, 7, 10, 20])
def test_resume_is_bit_exact(lab: Any, sha: Sha, curve: Curve, stop_after: Any, stop_at: int) -> None:
    whole = lab.train()
    run = lab.train(stop=stop_after(stop_at))
    assert read_json(run.attempt(1).result)["status"] == "stopped"
    assert read_json(run.attempt(1).result)["step"] == stop_at
    assert choose(run, "last").step == stop_at
    assert lab.resume(run) == "finished"
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == [1, 2, 3]


CASES: list[tuple[str, ...]] = [
    (
        "scheduler.name=plateau",
        "scheduler.patience=0",
        "scheduler.factor=0.5",
        "optimizer.weight_decay=0.01",
    ),
    ("augment.pad_crop=null", "augment.scale=36", "augment.color_jitter={hue: 0.2, contrast: 0.2}"),
    ("model=tinyvgg_v4", "batch=17"),
    ("metric=val/loss", "checkpoint.every=2"),
    ("optimizer={name: adam, weight_decay: 0.01}", "learning_rate=0.002", "scheduler.name=cosine"),
    ("optimizer={name: adamw, weight_decay: 0.01}", "learning_rate=0.002", "ema=0.9", "clip_norm=1.0"),
    ("scheduler={name: onecycle, peak: 0.4}", "optimizer.nesterov=true", "ema=0.99"),
    ("scheduler={name: plateau, patience: 0, min_lr: 1e-3, warmup: 1.5}", "early_stop.patience=2"),
    ("scheduler={name: step, every: 1, factor: 0.5, warmup: 0.6}", "label_smoothing=0.1"),
    ("mode=split", "back_lr=0.001", "head_lr=0.02", "scheduler={name: cosine, warmup: 1}"),
    ("mode=head", "clip_norm=0.5", "ema=0.9"),
]
# Each optimiser and schedule of the tables that none of these names.
CASES += [
    (f"{key}={name}",)
    for key, table in (("optimizer.name", OPTIMIZERS), ("scheduler.name", SCHEDULERS))
    for name in list(table)[1:]
    if not any(name in word for case in CASES for word in case)
]


@pytest.mark.some(4)
@pytest.mark.parametrize("overrides", CASES)
def test_resume_is_bit_exact_with(
    lab: Any, sha: Sha, curve: Curve, stop_after: Any, overrides: tuple[str, ...]
) -> None:
    whole = lab.train(*overrides)
    run = lab.train(*overrides, stop=stop_after(11))
    lab.resume(run)
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)


def test_many_stops(lab: Any, sha: Sha, curve: Curve, stop_after: Any) -> None:
    whole = lab.train()
    run = lab.train(stop=stop_after(2))
    while lab.resume(run, stop=stop_after(5)) != "finished":
        pass
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)
    steps = list(read_history(run.metrics).steps.step)
    assert steps == sorted(set(steps))


def test_extended_run_equals_one_that_was_longer_from_the_start(lab: Any, sha: Sha, curve: Curve) -> None:
    longer = lab.train("epochs=4")
    run = lab.train("epochs=2")
    lab.resume(run, total=4)
    assert sha(run) == sha(longer)
    assert curve(run) == curve(longer)


def test_resume_from_an_older_checkpoint_supersedes_the_rest(lab: Any, sha: Sha, curve: Curve) -> None:
    run = lab.train()
    before, bits = curve(run), sha(run)
    lab.resume(run, "1", total=3)
    history = read_history(run.metrics)
    assert curve(run) == before
    assert sha(run) == bits
    assert [row["epoch"] for row in history.superseded_epochs] == [2, 3]
    assert {(item.id, item.superseded) for item in list_checkpoints(run)} >= {
        ("a01-e0003", True),
        ("a02-e0003", False),
    }


def test_other_seeds_give_other_weights(lab: Any, sha: Sha) -> None:
    assert sha(lab.train("epochs=1")) != sha(lab.train("epochs=1", "seed=1"))


def test_finished_run_has_nothing_to_do(lab: Any, stop_after: Any) -> None:
    run = lab.train("epochs=2")
    rows = run.metrics.read_bytes()
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert lab.resume(run, total=2) == "finished"
    assert run.metrics.read_bytes() == rows
    assert sorted(path.name for path in run.checkpoints.iterdir()) == names
    assert read_json(run.attempt(2).result) | {"time": 0} == {
        "status": "finished",
        "epoch": 2,
        "step": 14,
        "time": 0,
    }


def test_stop_right_after_resume_saves_nothing_twice(lab: Any, stop_after: Any) -> None:
    run = lab.train(stop=stop_after(3))
    before = [item.id for item in list_checkpoints(run)]
    assert lab.resume(run, stop=stop_after(0)) == "stopped"
    assert [item.id for item in list_checkpoints(run)] == before == ["a01-e0001-s000003"]


@pytest.mark.parametrize(
    ("asked", "saved"),
    [(STEPS, ["a01-e0001"]), (STEPS + 3, ["a01-e0001", "a01-e0002-s000009"])],
    ids=["end", "within"],
)
def test_stop_between_regular_checkpoints(
    lab: Any, sha: Sha, stop_after: Any, asked: int, saved: list[str]
) -> None:
    """The flag is asked before each step, and at the end of an epoch; the first is the best so far."""
    run = lab.train("checkpoint.every=10", stop=stop_after(asked))
    assert [item.id for item in list_checkpoints(run)] == saved
    lab.resume(run)
    assert sha(run) == sha(lab.train("checkpoint.every=10"))


def test_stop_marker_is_seen(lab: Any) -> None:
    run = lab.create("epochs=1000")
    run.stop_marker(1).touch()
    assert lab.attempt(run) == "stopped"


def test_start_again_after_an_attempt_without_checkpoint(lab: Any, sha: Sha, curve: Curve) -> None:
    """A first attempt that died in epoch 1 leaves step rows; the next begins anew and supersedes them."""
    whole = lab.train()
    run = lab.create()
    write_exit(begin_attempt(run, 1, slot="cpu0", threads=1), code=1, signal=None)
    with MetricsWriter(run.metrics) as metrics:
        metrics.write({"t": 1.0, "epoch": 1, "step": 2, "attempt": 1, "scope": "step", "train/loss": 9.0})
    add_request(run, None, 3)
    lab.attempt(run)
    assert sha(run) == sha(whole)
    assert curve(run) == curve(whole)
    resumes = [record for record in MetricsTail(run.metrics).read()[0] if "resume" in record]
    assert [(record["resume"], record["epoch"], record["step"]) for record in resumes] == [(None, 0, 0)]
    assert read_history(run.metrics).superseded_count == 1


def test_resume_on_other_data_is_refused(lab: Any, stop_after: Any) -> None:
    run = lab.train(stop=stop_after(3))
    old = from_stored(json.loads(run.split.read_text()))
    train = old.splits["train"]
    fewer = FileList(train.paths[:-8], train.labels[:-8], train.sizes[:-8])
    new = make_dataset(old.root, old.class_names, {**old.splits, "train": fewer})
    run.split.write_text(json.dumps(stored_split(new)))
    with pytest.raises(CheckpointError, match="other data"):
        lab.resume(run)
