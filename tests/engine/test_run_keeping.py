"""What stays of a run: kept checkpoints, its network's description, runs of earlier versions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.engine import loop
from core.engine.checkpoint import read_checkpoint
from core.engine.classification import Classification
from core.engine.optimizer_step import take_step
from core.engine.state import NonFiniteLossError
from core.errors import CheckpointError, DataError, UsageError
from core.evaluate.plan import plan_measure
from core.launch.plan import plan_resume
from core.store.checkpoints import choose, list_checkpoints, look_up, verify
from core.store.files import read_json, write_json
from core.store.metrics import MetricsWriter, read_history
from core.store.paths import RunPaths
from core.store.summary import summarise

# config.yaml as version 0.1 wrote it: none of the later keys.
OLD_CONFIG = """\
data:
  format: auto
  root: {root}
  train: null
  val: null
  test: null
  split: {{ratio: 0.1, seed: 0, stratify: true}}
  classes: null
  order: name
  synthetic: null
model: tinyvgg_a
image_size: 32
normalize:
  mean: [0.4914, 0.4822, 0.4465]
  std: [0.2023, 0.1994, 0.201]
learning_rate: 0.02
optimizer: {{name: sgd, momentum: 0.9, weight_decay: 0.0}}
batch: 8
scheduler: {{name: plateau, metric: auto, factor: 0.5, patience: 0}}
epochs: 3
metric: auto
augment: {{pad_crop: 4, hflip: true, scale: null, color_jitter: null}}
seed: 0
device: cpu
threads: 1
workers: 2
prefetch: 2
checkpoint: {{every: 1}}
measure:
  splits: [val]
  every: 1
tags: []
"""
OLD_KEYS = (
    "format",
    "about",
    "model",
    "optimizer",
    "scheduler",
    "epochs_done",
    "step",
    "step_in_epoch",
    "best",
    "sums",
    "rng",
    "data",
    "resolved",
)
OLD_SUMS = ("totals", "images", "seconds")


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`scores(values)`: the accuracies that the next validations find."""
    original = Classification.measure

    def use(values: list[float]) -> None:
        left = iter(values)

        def measure(self: Classification, model: Any, split: str, **extras: Any) -> Any:
            measured = original(self, model, split, **extras)
            value = next(left) if split == "val" else 0.5
            return replace(measured, metrics={"loss": 1.0, "accuracy": value})

        monkeypatch.setattr(Classification, "measure", measure)

    return use


def ids(run: RunPaths) -> list[str]:
    return [item.id for item in list_checkpoints(run)]


def test_newest_and_best_are_kept(lab: Any, scores: Any) -> None:
    scores([0.4, 0.9, 0.5, 0.6, 0.7])
    run = lab.train("epochs=5", "checkpoint.keep=2")
    assert ids(run) == ["a01-e0002", "a01-e0004", "a01-e0005"]
    assert all(verify(item) is None for item in list_checkpoints(run))
    assert read_history(run.metrics).finals[0]["epoch"] == 2


def test_best_is_kept_while_epochs_go_unmeasured(lab: Any, scores: Any) -> None:
    scores([0.9, 0.5, 0.4])
    run = lab.train("epochs=5", "checkpoint.keep=1", "measure.every=2")
    assert ids(run) == ["a01-e0002", "a01-e0005"]
    assert choose(run, "best").id == "a01-e0002"


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("accuracies", "settings", "kept", "best"),
    [
        pytest.param([0.3, 0.7, 0.4, 0.4, 0.4], ("every=3",), [2, 3, 5], 2, id="early-best"),
        pytest.param([0.1, 0.2, 0.3, 0.4, 0.2], ("every=3",), [3, 4, 5], 4, id="ever-better"),
        pytest.param([0.1, 0.2, 0.9, 0.4, 0.2], ("every=3",), [3, 5], 3, id="best-on-schedule"),
        pytest.param([0.6, 0.2, 0.3, 0.6, 0.2], ("every=4", "keep=1"), [1, 5], 1, id="first-of-equals"),
        pytest.param([0.1, 0.8, 0.3, 0.2, 0.2], ("every=9",), [2, 5], 2, id="longer-than-the-run"),
    ],
)
def test_the_best_is_saved_when_it_happens(
    lab: Any, scores: Any, accuracies: list[float], settings: tuple[str, ...], kept: list[int], best: int
) -> None:
    scores(accuracies)
    run = lab.train("epochs=5", *(f"checkpoint.{setting}" for setting in settings))
    assert [item.epoch for item in list_checkpoints(run)] == kept
    shown = summarise(run).best
    assert shown is not None
    assert (shown.epoch, shown.value, shown.checkpoint) == (
        best,
        accuracies[best - 1],
        choose(run, "best").id,
    )
    assert look_up(run, "best").note == ""
    assert read_history(run.metrics).finals[0]["epoch"] == best


def test_where_an_old_run_lacks_its_best_the_words_say_what_is_taken(
    lab: Any, scores: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scores([0.4, 0.9, 0.5, 0.6])
    run = lab.train("epochs=4", "checkpoint.every=3")
    for suffix in (".json", ".pt"):
        (run.checkpoints / f"a01-e0002{suffix}").unlink()
    found = look_up(run, "best")
    assert found.checkpoint.id == "a01-e0004"
    assert found.note == (
        "the best epoch, 2 with val/accuracy 0.9000, has no checkpoint: a01-e0004 with 0.6000 is the best "
        "that was kept"
    )
    assert found.note in plan_measure(lab.workspace, run, at="best").notes
    assert plan_measure(lab.workspace, run, at="all").notes == ()
    assert found.note in plan_resume(run, start="best", fork=True, total=6).sentence
    shown = summarise(run).best
    assert shown is not None
    assert (shown.epoch, shown.checkpoint, shown.id) == (2, None, "a01-e0002")
    with MetricsWriter(run.metrics) as metrics:
        metrics.write({"t": 1.0, "epoch": 5, "step": 35, "attempt": 1, "scope": "epoch", "val/accuracy": 0.1})
    assert "epoch 5, the last one, has no checkpoint: a01-e0004" in look_up(run, "last").note


def test_a_former_best_of_another_branch_stays(lab: Any, scores: Any) -> None:
    scores([0.1, 0.6, 0.3, 0.2, 0.7, 0.1])
    run = lab.train("epochs=3", "checkpoint.every=2")
    assert ids(run) == ["a01-e0002", "a01-e0003"]
    write_json(run.pins, {"pinned": []})
    lab.resume(run, "2", total=5)
    assert ids(run) == ["a01-e0002", "a01-e0003", "a02-e0004", "a02-e0005"]


def test_pinned_ones_and_the_start_of_the_resume_are_kept(lab: Any, scores: Any, stop_after: Any) -> None:
    scores([0.4, 0.9, 0.5, 0.6, 0.7])
    run = lab.train("epochs=5", "checkpoint.keep=1", stop=stop_after(10))
    assert ids(run) == ["a01-e0001", "a01-e0002-s000010"]
    write_json(run.pins, {"pinned": ["a01-e0001"]})
    lab.resume(run, total=5)
    assert ids(run) == ["a01-e0001", "a01-e0002-s000010", "a02-e0002", "a02-e0005"]


def test_files_that_do_not_go_away_stop_nothing(
    lab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(loop, "prune", refuse)
    run = lab.train("epochs=2", "checkpoint.keep=1")
    assert ids(run) == ["a01-e0001", "a01-e0002"]
    assert "older checkpoints could not be removed: permission denied" in capsys.readouterr().out


def test_the_network_is_described_by_the_first_attempt(lab: Any, stop_after: Any) -> None:
    run = lab.train("mode=head", "epochs=2", stop=stop_after(3))
    document = read_json(run.model)
    assert document is not None
    assert document["model"] == "tinyvgg_a"
    assert (document["parameters"], document["trainable"]) == (153_763, 195)
    assert {part["name"]: part["trainable"] for part in document["parts"]} == {"backbone": 0, "head": 195}
    assert document["checkpoint_bytes"] == pytest.approx(choose(run, "last").bytes, rel=0.03)
    before = run.model.read_bytes()
    lab.resume(run, total=2)
    assert run.model.read_bytes() == before


def test_own_network_comes_from_the_runs_copy(lab: Any, sha: Any, tmp_path: Path, stop_after: Any) -> None:
    code = (
        "import torch\n\n\n"
        "def build(num_classes, width=4):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, width), torch.nn.Tanh(),\n"
        "                               torch.nn.Linear(width, num_classes))\n"
    )
    net = tmp_path / "net.py"
    net.write_text(code)
    made = []
    for stop in (None, stop_after(9)):
        run = lab.create(f"model={net}:build", "model_args={width: 6}")
        run.code.mkdir()
        (run.code / "net.py").write_text(code)
        made.append(run)
        lab.attempt(run, stop)
    net.write_text("raise RuntimeError('edited since')\n")
    lab.resume(made[1])
    assert sha(made[0]) == sha(made[1])
    (made[1].code / "net.py").unlink()
    with pytest.raises(UsageError, match=r"net\.py"):
        lab.resume(made[1], total=4)


def test_weights_that_burst_in_the_last_step_are_not_saved(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of that step was finite: only the weights tell."""

    def spoil(state: Any, loss: torch.Tensor) -> None:
        take_step(state, loss)
        if state.step == 13:
            with torch.no_grad():
                state.optimizer.param_groups[0]["params"][0].fill_(float("inf"))

    monkeypatch.setattr(loop, "take_step", spoil)
    run = lab.create()
    with pytest.raises(NonFiniteLossError, match="weights became infinite or NaN by epoch 2, step 14"):
        lab.attempt(run)
    assert ids(run) == ["a01-e0001"]


@pytest.mark.parametrize("key", ["metric", "scheduler"])
def test_top5_of_few_classes_decides_nothing(lab: Any, key: str) -> None:
    change = "metric=val/top5" if key == "metric" else "scheduler={name: plateau, metric: val/top5}"
    run = lab.create(change)
    with pytest.raises(DataError, match=rf"{key}.*: val/top5 means nothing with 3 classes"):
        lab.attempt(run)


def as_before(run: RunPaths) -> None:
    """Turn a run into one of version 0.1: its checkpoints lack what came later."""
    for checkpoint in list_checkpoints(run):
        content = torch.load(checkpoint.file, weights_only=True)
        content = {key: content[key] for key in OLD_KEYS}
        content["sums"] = {key: content["sums"][key] for key in OLD_SUMS}
        for group in content["optimizer"]["param_groups"]:
            del group["name"]
        torch.save(content, checkpoint.file)
        data = checkpoint.file.read_bytes()
        side = checkpoint.file.with_suffix(".json")
        entry = json.loads(side.read_text())
        side.write_text(json.dumps(entry | {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}))
    run.model.unlink()


def test_runs_of_version_0_1_go_on(lab: Any, sha: Any, curve: Any, stop_after: Any) -> None:
    change = ("scheduler={name: plateau, factor: 0.5, patience: 0}",)
    whole = lab.train(*change)
    run = lab.train(*change, stop=stop_after(10))
    run.config.write_text(OLD_CONFIG.format(root=lab.pictures))
    as_before(run)
    lab.resume(run)
    assert curve(run) == curve(whole)
    assert sha(run) == sha(whole)
    as_before(whole)
    fork = lab.fork(whole, "2", "optimizer.name=adamw", "learning_rate=0.001", "ema=0.9", total=3)
    assert lab.attempt(fork) == "finished"
    assert read_checkpoint(fork, choose(fork, "3"))["ema"]["updates"] == 7


@pytest.mark.some(2)
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_taken_off(lab: Any, prefix: str) -> None:
    run = lab.train("epochs=1")
    last = choose(run, "last")
    content = torch.load(last.file, weights_only=True)
    content["model"] = {prefix + name: value for name, value in content["model"].items()}
    torch.save(content, last.file)
    data = last.file.read_bytes()
    side = last.file.with_suffix(".json")
    entry = json.loads(side.read_text()) | {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    side.write_text(json.dumps(entry))
    whole = lab.train("epochs=2")
    lab.resume(run, total=2)
    assert (
        read_history(run.metrics).epochs[-1]["val/loss"] == read_history(whole.metrics).epochs[-1]["val/loss"]
    )


def test_weights_of_another_network_are_refused(lab: Any) -> None:
    run = lab.train("epochs=1")
    last = choose(run, "last")
    run.config.write_text(run.config.read_text().replace("tinyvgg_a", "tinyvgg_v4"))
    with pytest.raises(CheckpointError, match="does not fit this model"):
        lab.resume(run, total=2)
    assert verify(last) is None
