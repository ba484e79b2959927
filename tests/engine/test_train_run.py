"""What an attempt leaves in the run folder, and how it ends."""

from __future__ import annotations

import errno
import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.config.load import parse_experiment
from core.config.resolve_defaults import resolve_normalize
from core.data import decode
from core.data.cache import cached_pixels
from core.datasets.dataset import from_stored
from core.engine import recorder
from core.engine.build import build
from core.engine.checkpoint import load_model, read_checkpoint
from core.engine.class_match import Outputs
from core.engine.classification import Classification
from core.engine.failure import sentence
from core.engine.resolve import Resolved
from core.engine.state import LossGuard, NonFiniteLossError, RunningSums
from core.engine.stop import StopFlag
from core.engine.task import StepOutcome
from core.engine.train import train_run
from core.errors import DataError, RunFailedError
from core.store import faults
from core.store.attempts import begin_attempt, write_exit
from core.store.checkpoints import choose, list_checkpoints, verify
from core.store.files import read_json
from core.store.metrics import MetricsTail, read_history
from core.store.paths import RunPaths
from core.store.runs import add_request

CPU = Resolved("cpu", 1, "channels_last", "fused", "float32", 256, "")


def model_of(run: RunPaths, which: str) -> tuple[torch.nn.Module, Any]:
    """A checkpoint's model in evaluation mode, and the run's data set."""
    checkpoint = choose(run, which)
    experiment = parse_experiment(run.config.read_text(), run.config)
    model, dataset = build(run, experiment, 3, CPU), from_stored(json.loads(run.split.read_text()))
    outputs = Outputs(experiment, dataset.class_names)
    load_model(run, checkpoint, read_checkpoint(run, checkpoint), model, outputs)
    return model.eval(), dataset


def plain_measure(run: RunPaths, which: str, split: str) -> tuple[float, float]:
    """Loss and accuracy, one image at a time."""
    model, dataset = model_of(run, which)
    statistics = resolve_normalize(parse_experiment(run.config.read_text(), run.config))
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in statistics)
    lists = dataset.splits[split]
    pixels = cached_pixels(Path(dataset.root), lists.paths, 32)[1:-1]
    losses, hits = [], 0
    with torch.no_grad():
        for image, label in zip(pixels, lists.labels, strict=True):
            logits = model(((image.permute(2, 0, 1).float() / 255 - mean) / std)[None])
            losses.append(functional.cross_entropy(logits, torch.tensor([label])).item())
            hits += int(logits.argmax() == label)
    return sum(losses) / len(losses), hits / len(losses)


def test_validation_is_the_mean_over_images(lab: Any) -> None:
    run = lab.train("batch=4")
    loss, accuracy = plain_measure(run, "3", "val")
    row = read_history(run.metrics).epochs[-1]
    assert row["val/loss"] == pytest.approx(loss, abs=1e-5)
    assert row["val/accuracy"] == accuracy


@pytest.mark.parametrize("eval_batch", [1, 4, 7])
def test_measure_does_not_depend_on_the_batch_size(lab: Any, eval_batch: int) -> None:
    run = lab.train("epochs=1")
    model, dataset = model_of(run, "1")
    experiment = parse_experiment(run.config.read_text(), run.config)
    resolved = Resolved("cpu", 1, "channels_last", "fused", "float32", eval_batch, "")
    task = Classification(experiment, dataset, resolved, batch_norm=True, cancelled=lambda: False)
    before = torch.get_rng_state()
    measured = task.measure(model, "val")
    assert torch.equal(torch.get_rng_state(), before)
    row = read_history(run.metrics).epochs[-1]
    assert measured.metrics["loss"] == pytest.approx(row["val/loss"], abs=1e-5)
    assert measured.metrics["accuracy"] == row["val/accuracy"]


def test_training_sums_are_means_over_images_not_over_batches() -> None:
    sums = RunningSums()
    for loss, images in [(10.0, 2), (9.0, 1)]:
        sums.add({"loss": torch.tensor(loss) * images}, images)
    assert sums.means()["train/loss"] == pytest.approx(29 / 3)
    sums.reset()
    for accuracy, images in [(0.7, 256), (0.8, 256), (0.9, 10)]:
        sums.add({"accuracy": torch.tensor(accuracy * images)}, images)
    assert sums.means()["train/accuracy"] == pytest.approx(0.75287, abs=1e-5)


def test_training_loss_of_an_epoch(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch's train/loss and accuracy are those of the logits that the steps saw."""
    seen: list[tuple[float, int, int]] = []
    original = Classification.step

    def spy(self: Classification, model: torch.nn.Module, batch: Any) -> Any:
        outcome = original(self, model, batch)
        assert outcome.answers is not None
        hits = int((outcome.answers.predicted == outcome.answers.labels).sum())
        seen.append((outcome.loss.item(), outcome.images, hits))
        return outcome

    monkeypatch.setattr(Classification, "step", spy)
    run = lab.train("epochs=1")
    row = read_history(run.metrics).epochs[0]
    assert [images for _, images, _ in seen] == [8] * 6 + [3]
    assert row["train/loss"] == pytest.approx(sum(loss * n for loss, n, _ in seen) / 51, rel=1e-6)
    assert row["train/accuracy"] == sum(hits for _, _, hits in seen) / 51


def test_records(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_INTERVAL", 0.0)
    run = lab.train("epochs=2")
    records = MetricsTail(run.metrics).read()[0]
    steps = [row for row in records if row["scope"] == "step"]
    assert [row["step"] for row in steps] == list(range(1, 15))
    assert [row["step_in_epoch"] for row in steps] == [*range(1, 8)] * 2
    assert {row["steps_per_epoch"] for row in steps} == {7}
    assert all(row["images/s"] > 0 and row["time/step"] > 0 and row["lr"] == 0.02 for row in steps)
    first = [row for row in steps if row["epoch"] == 1]
    epoch = next(row for row in records if row["scope"] == "epoch")
    images = [8] * 6 + [3]
    mean = sum(row["train/loss"] * n for row, n in zip(first, images, strict=True)) / 51
    assert epoch["train/loss"] == pytest.approx(mean)
    assert {"t", "epoch", "step", "attempt", "lr", "time/epoch", "time/step", "images/s"} <= set(epoch)
    assert epoch["time/epoch"] >= epoch["time/step"] * 7


def test_step_records_are_four_a_second_at_most_and_one_at_an_epochs_end(lab: Any) -> None:
    run = lab.train("epochs=2", "batch=2", "model=tinyvgg_v4", "learning_rate=1e-4")
    rows = [row for row in MetricsTail(run.metrics).read()[0] if row["scope"] == "step"]
    ends = [row["step"] for row in rows if row["step_in_epoch"] == row["steps_per_epoch"]]
    assert ends == [25, 50]
    assert all(
        later["t"] - earlier["t"] > 0.24 or later["step"] in ends
        for earlier, later in itertools.pairwise(rows)
    )


def test_every_validation_leaves_measure_and_predictions(lab: Any) -> None:
    run = lab.train("measure.splits=[val, train]")
    dataset = from_stored(json.loads(run.split.read_text()))
    history = read_history(run.metrics)
    for checkpoint, row in zip(list_checkpoints(run), history.epochs, strict=True):
        for split in ("val", "train"):
            measure = read_json(run.measures / f"{checkpoint.id}-{split}.json")
            assert measure is not None
            assert (measure["checkpoint"], measure["sha256"]) == (checkpoint.id, checkpoint.sha256)
            assert measure["n"] == len(dataset.splits[split])
            assert sum(item["n"] for item in measure["per_class"]) == measure["n"]
            hits = sum(item["correct"] for item in measure["per_class"])
            assert measure["accuracy"] == hits / measure["n"]
            with np.load(run.predictions / f"{checkpoint.id}-{split}.npz", allow_pickle=False) as saved:
                assert saved["probabilities"].dtype == np.float32
                np.testing.assert_allclose(saved["probabilities"].sum(1), 1, atol=1e-5)
                assert (saved["probabilities"].argmax(1) == saved["labels"]).mean() == measure["accuracy"]
                assert tuple(saved["labels"]) == dataset.splits[split].labels
                assert tuple(saved["paths"]) == dataset.splits[split].paths
                assert (Path(str(saved["root"])) / saved["paths"][0]).is_file()
                assert tuple(saved["class_names"]) == dataset.class_names
                assert (str(saved["checkpoint"]), str(saved["sha256"])) == (checkpoint.id, checkpoint.sha256)
        val = read_json(run.measures / f"{checkpoint.id}-val.json")
        assert val is not None
        assert (val["loss"], val["accuracy"]) == (row["val/loss"], row["val/accuracy"])


def test_measuring_now_and_then(lab: Any) -> None:
    run = lab.train("epochs=5", "measure.every=2", "checkpoint.every=3")
    rows = read_history(run.metrics).epochs
    assert [row["epoch"] for row in rows if "val/accuracy" in row] == [2, 4, 5]
    best = max((row for row in rows if "val/accuracy" in row), key=lambda row: row["val/accuracy"])["epoch"]
    assert [item.epoch for item in list_checkpoints(run)] == sorted({3, 5, best})
    kept = {f"{item.id}-val": item.sha256 for item in list_checkpoints(run)}
    for name in ("a01-e0002-val", "a01-e0004-val", "a01-e0005-val"):
        measured = read_json(run.measures / f"{name}.json")
        assert measured is not None
        # A former best, removed since, had the hash of its file.
        assert measured["sha256"] == kept[name] if name in kept else True


def test_test_images_are_measured_once_with_the_best_weights(lab: Any) -> None:
    run = lab.train()
    best = choose(run, "best")
    finals = read_history(run.metrics).finals
    assert len(finals) == 1
    loss, accuracy = plain_measure(run, "best", "test")
    assert finals[0]["test/loss"] == pytest.approx(loss, abs=1e-5)
    assert finals[0]["test/accuracy"] == accuracy
    assert (finals[0]["epoch"], finals[0]["step"]) == (best.epoch, best.step)
    measures = sorted(path.name for path in run.measures.iterdir() if "test" in path.name)
    assert measures == [f"{best.id}-test.json"]
    before = run.metrics.read_bytes()
    lab.resume(run)
    assert run.metrics.read_bytes() == before


def test_killed_before_the_test_was_measured(lab: Any) -> None:
    run = lab.train()
    best = choose(run, "best")
    (run.measures / f"{best.id}-test.json").unlink()
    rows = len(read_history(run.metrics).epochs)
    lab.resume(run)
    assert read_json(run.measures / f"{best.id}-test.json") is not None
    assert len(read_history(run.metrics).epochs) == rows


@pytest.mark.parametrize("stage", ["train", "test"])
def test_stop_while_images_are_decoded(
    lab: Any, homes: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Asked to stop before any training, or before the test images: a resume does the rest."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(homes / "cache"))
    flag = StopFlag()
    original = decode.open_fitting  # type: ignore[attr-defined]

    def slow(root: Path, path: str, *how: Any) -> Any:
        if path.startswith(stage):
            flag.set()
        return original(root, path, *how)

    monkeypatch.setattr(decode, "open_fitting", slow)
    run = lab.create("epochs=2")
    assert lab.attempt(run, flag) == "stopped"
    assert len(list_checkpoints(run)) == (0 if stage == "train" else 2)
    assert read_history(run.metrics).finals == []
    add_request(run, choose(run, "last").id if stage == "test" else None, 2)
    assert lab.attempt(run) == "finished"
    history = read_history(run.metrics)
    assert [row["epoch"] for row in history.epochs] == [1, 2]
    assert history.superseded_count == 0
    assert len(history.finals) == 1


def test_no_final_measure_when_validation_is_the_test_folder(lab: Any) -> None:
    run = lab.train("data.val=test")
    assert read_history(run.metrics).finals == []
    assert not [path for path in run.measures.iterdir() if "test" in path.name]
    assert choose(run, "last").metrics["val/accuracy"] == read_history(run.metrics).epochs[-1]["val/accuracy"]


def test_plateau_lowers_the_learning_rate(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's ReduceLROnPlateau(mode="max", factor=0.1, patience=1) fed with val/accuracy."""
    run = lab.train("epochs=8", "scheduler={name: plateau, patience: 1}", "learning_rate=1e-6")
    rows = read_history(run.metrics).epochs
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1e-6)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=1)
    want = []
    for row in rows:
        want.append(optimizer.param_groups[0]["lr"])
        reference.step(row["val/accuracy"])
    assert [row["lr"] for row in rows] == want
    assert want[-1] < want[0]


def test_no_finite_loss_stops_before_anything_is_saved(lab: Any) -> None:
    run = lab.create("learning_rate=1e30")
    with pytest.raises(NonFiniteLossError):
        lab.attempt(run)
    error = read_json(run.attempt(1).error)
    assert error is not None
    assert error["type"] == "NonFiniteLossError"
    assert f"epoch 1, step {error['step'] + 1}" in error["message"]
    assert error["epoch"] == 1
    assert not run.attempt(1).result.exists()
    assert list_checkpoints(run) == []


def test_no_finite_loss_keeps_the_last_good_checkpoint(lab: Any) -> None:
    parent = lab.train("epochs=1")
    fork = lab.fork(parent, "1", "learning_rate=1e30", total=3)
    with pytest.raises(NonFiniteLossError, match="Lower learning_rate"):
        lab.attempt(fork)
    assert [item.id for item in list_checkpoints(fork)] == ["a00-e0001"]
    assert verify(choose(fork, "last")) is None
    content = read_checkpoint(fork, choose(fork, "last"))
    assert all(value.isfinite().all() for value in content["model"].values())


def test_optimiser_does_not_move_on_a_bad_loss(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    original, states = Classification.step, []

    def bad_third(self: Classification, model: torch.nn.Module, batch: Any) -> Any:
        states.append([parameter.detach().clone() for parameter in model.parameters()])
        outcome = original(self, model, batch)
        loss = outcome.loss * (math.nan if len(states) == 3 else 1)
        bad_third.model = model  # type: ignore[attr-defined]
        return StepOutcome(loss, outcome.images, outcome.totals)

    monkeypatch.setattr(Classification, "step", bad_third)
    with pytest.raises(NonFiniteLossError, match="epoch 1, step 3"):
        lab.train()
    now = list(bad_third.model.parameters())  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(states[2], now, strict=True))


def test_late_guard_names_the_first_bad_step() -> None:
    """What other devices than the CPU do: remember on the device, tell when looked at."""
    guard = LossGuard()
    for step, value in enumerate([1.0, math.inf, 2.0, math.nan], 1):
        guard._remember(torch.tensor([value]), step)
    with pytest.raises(NonFiniteLossError, match="epoch 4, step 2"):
        guard.check(4)
    guard._remember(torch.tensor([1.0]), 5)
    guard.check(5)


@pytest.mark.parametrize(("batch", "steps"), [(51, 1), (1000, 1), (50, 1), (25, 2)])
def test_batches_that_do_not_divide(
    lab: Any, capsys: pytest.CaptureFixture[str], batch: int, steps: int
) -> None:
    run = lab.train("epochs=1", f"batch={batch}")
    assert choose(run, "1").step == steps
    left_out = 51 % batch == 1
    assert ("1 image left out per epoch" in capsys.readouterr().out) == left_out
    measure = read_json(run.measures / "a01-e0001-val.json")
    assert measure is not None
    assert measure["n"] == 27


def test_batch_of_one_trains_with_a_note(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = lab.train("epochs=1", "batch=1")
    assert choose(run, "1").step == 51
    assert "batch 1 with batch normalisation" in capsys.readouterr().out


def test_a_random_part_that_stays_so_is_told_at_the_start_only(
    lab: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lab.train("epochs=1", "mode=head")
    note = "note: mode head with weights none: everything but the head is random and stays so"
    assert capsys.readouterr().out.count(note) == 1
    lab.fork(run, "1", "mode=head", total=2)
    assert note not in capsys.readouterr().out


def test_threads_are_resolved_once(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABTUI_THREADS", "1")
    run = lab.train("epochs=1", "threads=auto")
    monkeypatch.setenv("LABTUI_THREADS", "2")
    lab.resume(run, total=2)
    resolved = read_json(run.resolved)
    assert resolved is not None
    assert resolved["threads"] == 1
    assert torch.get_num_threads() == 1
    assert resolved["device"] == "cpu"


def test_split_is_stored_once(lab: Any, stop_after: Any) -> None:
    run = lab.train("epochs=1", stop=stop_after(2))
    before = run.split.read_bytes()
    lab.resume(run, total=1)
    assert run.split.read_bytes() == before


def test_images_that_vanished_are_named(lab: Any, stop_after: Any, tmp_path: Path) -> None:
    copy = shutil.copytree(lab.pictures, tmp_path / "copy")
    run = lab.train(f"data.root={copy}")
    (copy / "train" / "class1" / "003.png").unlink()
    with pytest.raises(DataError, match=r"class1/003\.png"):
        lab.resume(run, total=4)


@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_disk_that_takes_nothing_keeps_the_checkpoints_there_are(lab: Any, fault: str) -> None:
    run = lab.train("epochs=1")
    add_request(run, "a01-e0001", 2)
    attempt = begin_attempt(run, 2, slot="cpu0", threads=1)
    faults.arm(f"1+:{fault}")
    try:
        with pytest.raises((RunFailedError, OSError)) as caught:
            train_run(run, attempt.number, StopFlag())
    finally:
        faults.arm("")
    if fault == "enospc":
        assert "disk is full" in sentence(run, caught.value)
    assert [item.id for item in list_checkpoints(run)] == ["a01-e0001"]
    assert verify(choose(run, "last")) is None
    assert not list(run.root.rglob("*.tmp"))
    write_exit(attempt, code=1, signal=None)
    lab.resume(run, total=2)
    assert [row["epoch"] for row in read_history(run.metrics).epochs] == [1, 2]


def test_deleted_run_folder_is_told_in_words(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.create()
    original = Classification.measure

    def delete_first(self: Classification, model: torch.nn.Module, split: str, **extras: Any) -> Any:
        shutil.rmtree(run.root)
        return original(self, model, split, **extras)

    monkeypatch.setattr(Classification, "measure", delete_first)
    with pytest.raises(OSError, match="No such file") as caught:
        lab.attempt(run)
    assert (
        sentence(run, caught.value)
        == f"The folder {run.root} is gone: it was deleted or moved while the run trained."
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried ..."), "The GPU is out of memory: lower batch"),
        (MemoryError(), "The machine is out of memory"),
        (OSError(errno.ENOSPC, "No space", "/x"), "The disk is full: /x was not written"),
        (ZeroDivisionError("division by zero\nmore"), "ZeroDivisionError: division by zero"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_sentences(tmp_path: Path, error: Exception, words: str) -> None:
    assert sentence(RunPaths(tmp_path), error).startswith(words)
